"""Jobs and committed rows agree exactly, however often the writer and the relay are killed."""

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, text

from jobsvalkey import JobQueue, JobStatus, ValkeyJobQueue
from tests.integrations.outbox_process import ORDERS
from tests.support.servers import Server

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("transactions", "seed"), [(150, 1), *(pytest.param(1000, seed, marks=pytest.mark.slow) for seed in (2, 3))]
)
async def test_a_job_exists_exactly_if_its_transaction_has_committed(
    transactions: int, seed: int, tmp_path: Path, default_server: Server, queue_key: str, direct: ValkeyJobQueue
) -> None:
    database = str(tmp_path / "shop.db")
    arguments = [default_server.url, queue_key, database, str(transactions), str(seed)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integrations.outbox_process", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert int(said) >= 2, "nothing was killed"
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        committed = list(connection.execute(select(ORDERS.c.number).order_by(ORDERS.c.number)).scalars())
        left = connection.execute(text("SELECT count(*) FROM jobsvalkey_outbox")).scalar()
    engine.dispose()
    jobs = [job.parameters async for job in JobQueue(direct).jobs(JobStatus.PENDING)]
    assert left == 0
    assert committed == [number for number in range(1, transactions + 1) if number % 3]
    assert sorted(map(str, jobs)) == sorted(f'{{"order":{number}}}' for number in committed)
