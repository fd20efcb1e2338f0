"""Jobs and committed rows agree exactly, however often the writer and the relay are killed."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, text

from jobsvalkey import ValkeyJobQueue
from tests.integrations.outbox_process import ORDERS
from tests.support.outbox_kills import check, run_program
from tests.support.postgres import PROGRAMS, postgres
from tests.support.servers import Server

MODULE = "tests.integrations.outbox_process"


def contents(database: str) -> tuple[list[int], int]:
    """The rows that have committed, and how many are left in the outbox."""
    engine = create_engine(database)
    with engine.connect() as connection:
        committed = list(connection.execute(select(ORDERS.c.number).order_by(ORDERS.c.number)).scalars())
        left = connection.execute(text("SELECT count(*) FROM jobsvalkey_outbox")).scalar()
    engine.dispose()
    return committed, left or 0


@pytest.mark.parametrize(
    ("transactions", "seed"), [(150, 1), *(pytest.param(1000, seed, marks=pytest.mark.slow) for seed in (2, 3))]
)
async def test_a_job_exists_exactly_if_its_transaction_has_committed(
    transactions: int, seed: int, tmp_path: Path, default_server: Server, queue_key: str, direct: ValkeyJobQueue
) -> None:
    database = f"sqlite:///{tmp_path / 'shop.db'}"
    await run_program(MODULE, default_server, queue_key, database, tmp_path, transactions, seed)
    await check(transactions, *contents(database), direct)


if PROGRAMS is not None:

    @pytest.mark.slow
    async def test_the_same_on_postgresql(
        tmp_path: Path, default_server: Server, queue_key: str, direct: ValkeyJobQueue
    ) -> None:
        with postgres() as folder:
            database = f"postgresql+psycopg://postgres@/postgres?host={folder}"
            await run_program(MODULE, default_server, queue_key, database, tmp_path, 300, 4)
            await check(300, *contents(database), direct)
