"""The outbox on Django's ORM: for any job, and for tasks."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.tasks.exceptions import TaskResultDoesNotExist
from django.test import override_settings

from jobsvalkey import InvalidParameters, JobOptions, JobQueue, JobStatus, Unique
from jobsvalkey.contract import DriverConfiguration
from jobsvalkey.integrations.django.management.commands.jobsvalkey_worker import Command
from jobsvalkey.integrations.django.outbox import Outbox
from jobsvalkey.integrations.django.outbox.models import OutboxEntry
from jobsvalkey_memory import MemoryJobQueue
from tests.integrations.django import tasks
from tests.integrations.django.conftest import Configure
from tests.integrations.django.running import READY, SUCCESSFUL
from tests.integrations.django.shop.models import Order
from tests.support.waiting import until

R = TypeVar("R")


@dataclass(frozen=True)
class Ship:
    job_name: ClassVar[str] = "Ship"
    order: int


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file, which threads can share."""
    connections.close_all()
    monkeypatch.setitem(connections.settings["default"], "NAME", str(tmp_path / "shop.db"))
    call_command("migrate", verbosity=0, run_syncdb=True)
    yield
    connections.close_all()


async def in_a_thread(work: Callable[[], R]) -> R:
    """Use the database of this test: a thread that outlives a test, as that of asgiref does, has the last one's."""

    def run() -> R:
        try:
            return work()
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)


async def orders(queue: JobQueue[Any]) -> list[str | None]:
    return [job.parameters async for job in queue.jobs(JobStatus.PENDING)]


def test_a_job_is_pushed_if_its_transaction_commits() -> None:
    queue = JobQueue(MemoryJobQueue())
    outbox = Outbox(queue)
    with transaction.atomic():
        Order.objects.create(number=1)
        job_id = outbox.add(Ship(1))
    with transaction.atomic():
        Order.objects.create(number=2)
        outbox.add(Ship(2))
        transaction.set_rollback(True)
    with pytest.raises(InvalidParameters):
        outbox.add({"no": "job"})

    async def relay() -> None:
        assert await orders(queue) == []
        assert [await outbox.relay().run_once() for _ in range(2)] == [1, 0]
        assert await orders(queue) == ['{"order":1}']
        assert await queue.status(job_id) is JobStatus.PENDING

    asyncio.run(relay())
    assert ([order.number for order in Order.objects.all()], OutboxEntry.objects.count()) == ([1], 0)


def test_options_go_along_and_queues_share_the_table() -> None:
    mail, bulk = (JobQueue(MemoryJobQueue(DriverConfiguration(queue_key=key))) for key in ("mail", "bulk"))
    options = JobOptions(delay=timedelta(hours=1), priority=7, lane="ada", unique=Unique("one"))
    job_id = Outbox(mail).add(Ship(1), options=options)
    Outbox(bulk).add(Ship(2))

    async def relay() -> None:
        assert [await Outbox(queue).relay().run_once() for queue in (mail, bulk)] == [1, 1]
        job = await mail.get(job_id)
        assert job is not None
        assert (job.priority, job.lane, job.unique) == (7, "ada", Unique("one"))
        assert job.due is not None
        assert job.due > mail.driver.clock.now() + timedelta(minutes=59)
        assert await orders(bulk) == ['{"order":2}']

    asyncio.run(relay())


def test_a_relay_waits_for_a_database_and_has_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = JobQueue(MemoryJobQueue())
    outbox = Outbox(queue)
    outbox.add(Ship(1))

    async def relay() -> None:
        name = connections.settings["default"]["NAME"]
        monkeypatch.setitem(connections.settings["default"], "NAME", "/nowhere/shop.db")
        worker = outbox.relay(poll_time=timedelta(milliseconds=1))
        running = asyncio.create_task(worker.run())
        await asyncio.sleep(0.05)
        assert (await orders(queue), running.done()) == ([], False)
        monkeypatch.setitem(connections.settings["default"], "NAME", name)

        async def is_pushed() -> bool:
            return await orders(queue) != [] and not await in_a_thread(OutboxEntry.objects.count)

        await until(is_pushed)
        worker.stop()
        await running

    asyncio.run(relay())


def test_the_migrations_are_those_of_the_model() -> None:
    call_command("makemigrations", "jobsvalkey_outbox", check=True, dry_run=True, verbosity=0)
    call_command("check", fail_level="WARNING")
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, "jobsvalkey_outbox")
    assert [column.name for column in columns] == ["id", "queue", "job_id", "request", "fields"]


def run_worker() -> None:
    call_command("jobsvalkey_worker", burst=True, stdout=StringIO())


def test_tasks_are_enqueued_in_a_transaction(configure: Configure) -> None:
    backend = configure(outbox="default")
    assert backend.check() == []
    with transaction.atomic():
        result = tasks.add.using(priority=3).enqueue(1, 2)
        inside = tasks.add.get_result(result.id)
    with transaction.atomic():
        lost = tasks.add.enqueue(3, 4)
        transaction.set_rollback(True)
    before = tasks.add.get_result(result.id)
    assert (before.status, before.args, before.task.priority, inside.status) == (READY, [1, 2], 3, READY)
    with pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(lost.id)
    run_worker()
    result.refresh()
    assert (result.status, result.return_value, OutboxEntry.objects.count()) == (SUCCESSFUL, 3, 0)
    with pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(lost.id)


def test_tasks_are_enqueued_with_the_connection_of_the_caller(configure: Configure) -> None:
    configure(outbox="default")

    async def view() -> Any:
        return await tasks.add.aget_result((await tasks.add.aenqueue(20, 22)).id)

    from asgiref.sync import async_to_sync

    with transaction.atomic():
        assert async_to_sync(view)().status is READY
        transaction.set_rollback(True)
    assert OutboxEntry.objects.count() == 0


async def test_a_worker_that_goes_on_relays(configure: Configure) -> None:
    backend = configure(outbox="default")
    result = await in_a_thread(lambda: tasks.add.enqueue(40, 2))
    command, options = Command(stdout=StringIO()), replace(backend.read_options.processor, handle_signals=False)
    worker = asyncio.create_task(command._run(backend, ["default"], options))  # pyright: ignore[reportPrivateUsage]

    async def has_run() -> bool:
        return (await in_a_thread(lambda: tasks.add.get_result(result.id))).status is SUCCESSFUL

    await until(has_run)
    assert await in_a_thread(OutboxEntry.objects.count) == 0
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(30):
        await worker


@pytest.mark.parametrize(
    ("outbox", "apps", "text"),
    [
        ("elsewhere", None, "there is no database 'elsewhere' in DATABASES"),
        ("default", ["jobsvalkey.integrations.django"], "needs the app 'jobsvalkey.integrations.django.outbox'"),
        (3, None, "outbox is text"),
    ],
)
def test_an_outbox_that_cannot_be_is_found_by_check(configure: Configure, outbox: Any, apps: Any, text: str) -> None:
    backend = configure(outbox=outbox)
    with override_settings(**({} if apps is None else {"INSTALLED_APPS": apps})):
        (message,) = backend.check()
    assert text in message.msg
