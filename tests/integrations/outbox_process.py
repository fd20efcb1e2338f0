"""Writes and relays in processes that are killed at random: `python -m tests.integrations.outbox_process …`.

The arguments are the server's URL, the queue's key, the database's URL, a folder for notes, the number of transactions,
and a seed. It ends when all have been made and the outbox is empty, and prints how often it has killed something.
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, cast

from sqlalchemy import Column, Integer, MetaData, Table, create_engine, func, insert, select
from sqlalchemy.engine import Engine
from sqlalchemy.event import listen
from valkey.asyncio import Valkey

from jobsvalkey import JobQueue, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.integrations.outbox import Outbox
from tests.support.killing import run_and_kill, wait_to_be_killed

METADATA = MetaData()
ORDERS = Table("orders", METADATA, Column("number", Integer, primary_key=True))


@dataclass(frozen=True)
class Ship:
    job_name: ClassVar[str] = "Ship"
    order: int


def lose_nothing_but_machines(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


def open_outbox(url: str, key: str, database: str) -> tuple[Outbox, Engine]:
    client: Any = cast(Any, Valkey).from_url(url)
    queue = JobQueue(ValkeyJobQueue(client, ValkeyConfiguration(queue_key=key)))
    if not database.startswith("sqlite:"):
        return Outbox(queue, METADATA), create_engine(database)
    engine = create_engine(database, connect_args={"timeout": 60})
    # Processes are killed here, not machines: what the system has been given is there.
    listen(engine, "connect", lose_nothing_but_machines)
    return Outbox(queue, METADATA), engine


def write(outbox: Outbox, engine: Engine, transactions: int, folder: str) -> None:
    """Make transactions, from the first one that has not committed; each third one is rolled back."""
    with engine.connect() as connection:
        first = (connection.execute(select(func.max(ORDERS.c.number))).scalar() or 0) + 1
    for number in range(first, transactions + 1):
        with engine.connect() as connection:
            connection.execute(insert(ORDERS).values(number=number))
            outbox.add(connection, Ship(number))
            if number in (transactions // 3, 2 * transactions // 3):
                wait_to_be_killed(folder, number)
            if number % 3:
                connection.commit()
            else:
                connection.rollback()


def relay(outbox: Outbox, engine: Engine) -> None:
    asyncio.run(outbox.relay(engine, poll_time=timedelta(milliseconds=1), at_once=7).run())


async def relay_all(outbox: Outbox, engine: Engine) -> None:
    async with outbox.queue.driver:
        worker = outbox.relay(engine)
        while await worker.run_once():
            pass


def main(url: str, key: str, database: str, folder: str, transactions: str, seed: str) -> None:
    outbox, engine = open_outbox(url, key, database)
    METADATA.create_all(engine)
    engine.dispose()
    kills = run_and_kill(
        lambda: write(*open_outbox(url, key, database), int(transactions), folder),
        lambda: relay(*open_outbox(url, key, database)),
        int(seed),
    )
    asyncio.run(relay_all(outbox, engine))
    print(kills)  # noqa: T201 - its test reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
