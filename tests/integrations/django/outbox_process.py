"""Writes and relays in processes that are killed at random: `python -m tests.integrations.django.outbox_process …`.

The arguments are those of `tests.integrations.outbox_process`, and so is what it prints.
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, cast
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings
from valkey.asyncio import Valkey

from jobsvalkey import JobQueue, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.integrations.django.outbox import Outbox
from tests.support.killing import run_and_kill, wait_to_be_killed


@dataclass(frozen=True)
class Ship:
    job_name: ClassVar[str] = "Ship"
    order: int


def database_at(url: str) -> dict[str, Any]:
    """The settings of a database; what a process has given to the system is there, so no disk is waited for."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        options = {"timeout": 60, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA synchronous=OFF"}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path[1:], "OPTIONS": options}
    (host,) = parse_qs(parts.query)["host"]
    engine = "django.db.backends.postgresql"
    return {"ENGINE": engine, "NAME": parts.path[1:], "USER": parts.username, "HOST": host}


def set_up(database: str) -> None:
    """Configure Django."""
    settings.configure(
        INSTALLED_APPS=["jobsvalkey.integrations.django.outbox", "tests.integrations.django.shop"],
        DATABASES={"default": database_at(database)},
        USE_TZ=True,
    )
    django.setup()


def open_outbox(url: str, key: str) -> Outbox:
    client: Any = cast(Any, Valkey).from_url(url)
    return Outbox(JobQueue(ValkeyJobQueue(client, ValkeyConfiguration(queue_key=key))))


def write(outbox: Outbox, transactions: int, folder: str) -> None:
    """Make transactions, from the first one that has not committed; each third one is rolled back."""
    from django.db import transaction
    from django.db.models import Max

    from tests.integrations.django.shop.models import Order

    last = Order.objects.aggregate(last=Max("number"))["last"] or 0
    for number in range(last + 1, transactions + 1):
        with transaction.atomic():
            Order.objects.create(number=number)
            outbox.add(Ship(number))
            if number in (transactions // 3, 2 * transactions // 3):
                wait_to_be_killed(folder, number)
            if number % 3 == 0:
                transaction.set_rollback(True)


def relay(outbox: Outbox) -> None:
    asyncio.run(outbox.relay(poll_time=timedelta(milliseconds=1), at_once=7).run())


async def relay_all(outbox: Outbox) -> None:
    async with outbox.queue.driver:
        worker = outbox.relay()
        while await worker.run_once():
            pass


def main(url: str, key: str, database: str, folder: str, transactions: str, seed: str) -> None:
    from django.core.management import call_command
    from django.db import connections

    set_up(database)
    call_command("migrate", verbosity=0, run_syncdb=True)
    connections.close_all()
    kills = run_and_kill(
        lambda: write(open_outbox(url, key), int(transactions), folder),
        lambda: relay(open_outbox(url, key)),
        int(seed),
    )
    asyncio.run(relay_all(open_outbox(url, key)))
    print(kills)  # noqa: T201 - its test reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
