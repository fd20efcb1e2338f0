"""Jobs and committed rows agree exactly, however often the writer and the relay are killed."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from jobsvalkey import JobQueue, JobStatus, ValkeyJobQueue
from tests.support.servers import Server

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("transactions", "seed"), [(150, 1), *(pytest.param(1000, seed, marks=pytest.mark.slow) for seed in (2, 3))]
)
async def test_a_job_exists_exactly_if_its_transaction_has_committed(
    transactions: int, seed: int, tmp_path: Path, default_server: Server, queue_key: str, direct: ValkeyJobQueue
) -> None:
    database = str(tmp_path / "shop.db")
    arguments = [default_server.url, queue_key, database, str(transactions), str(seed)]
    command = [sys.executable, "-m", "tests.integrations.django.outbox_process", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)  # noqa: ASYNC221 - nothing runs beside
    assert done.returncode == 0
    assert int(done.stdout) >= 2, "nothing was killed"
    with closing(sqlite3.connect(database)) as connection:
        committed = [number for (number,) in connection.execute("SELECT number FROM shop_order ORDER BY number")]
        (left,) = connection.execute("SELECT count(*) FROM jobsvalkey_outbox").fetchone()
    jobs = [job.parameters async for job in JobQueue(direct).jobs(JobStatus.PENDING)]
    assert left == 0
    assert committed == [number for number in range(1, transactions + 1) if number % 3]
    assert sorted(map(str, jobs)) == sorted(f'{{"order":{number}}}' for number in committed)
