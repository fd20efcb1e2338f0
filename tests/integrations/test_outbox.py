"""The outbox: jobs follow the transactions that they were added in."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from sqlalchemy import Engine, MetaData, create_engine, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from jobsvalkey import (
    ConfigurationError,
    Durability,
    InvalidParameters,
    JobID,
    JobName,
    JobOptions,
    JobQueue,
    JobsError,
    JobStatus,
    Middleware,
    NotDurable,
    PayloadTooLarge,
    PushedJob,
    StoreUnavailable,
    ValkeyConfiguration,
)
from jobsvalkey.contract import DriverConfiguration, NewJob, Pushed, Unique
from jobsvalkey.integrations.outbox import Outbox
from jobsvalkey.integrations.relaying.entries import Entry, job_of, new_entry
from jobsvalkey_memory import ManualClock, MemoryJobQueue, run_until_idle
from tests.support.drivers import driver_at
from tests.support.servers import Server
from tests.support.waiting import until

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Ship:
    job_name: ClassVar[str] = "Ship"
    order: int | str


class Failing(MemoryJobQueue[Any]):
    """Fails as often as it is told to; the answer of a push that it has made is lost."""

    failures = 0
    error: JobsError = StoreUnavailable("the answer is lost", outcome="unknown")

    async def push(self, items: Any, *, operation: Any = None) -> list[Pushed]:
        pushed = await super().push(items, operation=operation)
        if self.failures:
            self.failures -= 1
            raise self.error
        return pushed


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    yield engine
    engine.dispose()


def make_outbox(engine: Engine, queue: JobQueue[Any], metadata: MetaData | None = None) -> Outbox:
    metadata = metadata or MetaData()
    outbox = Outbox(queue, metadata)
    metadata.create_all(engine)
    return outbox


def rows(engine: Engine, outbox: Outbox) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(outbox.table)).scalar() or 0


async def orders(queue: JobQueue[Any], status: JobStatus = JobStatus.PENDING) -> list[Any]:
    return [msgspec.json.decode(job.parameters or "")["order"] async for job in queue.jobs(status)]


async def test_a_job_is_pushed_if_its_transaction_commits(engine: Engine) -> None:
    queue = JobQueue(MemoryJobQueue())
    outbox = make_outbox(engine, queue)
    with Session(engine) as session, session.begin():
        kept = outbox.add(session, Ship(1))
    with Session(engine) as session:
        outbox.add(session, Ship(2))
        session.rollback()
    with engine.begin() as connection:
        outbox.add(connection, JobName("Ship", Ship).with_parameters(Ship(3)))
    assert await orders(queue) == []
    relay = outbox.relay(engine)
    assert (await relay.run_once(), await relay.run_once()) == (2, 0)
    assert (await orders(queue), rows(engine, outbox)) == ([1, 3], 0)
    assert await queue.status(kept) is JobStatus.PENDING


async def test_asynchronous_sessions_and_engines(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
    queue, metadata = JobQueue(MemoryJobQueue()), MetaData()
    outbox = Outbox(queue, metadata)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await outbox.add_async(connection, Ship(1))
    async with AsyncSession(engine) as session:
        await outbox.add_async(session, Ship(2))
        await session.rollback()
        await outbox.add_async(session, Ship(3))
        await session.commit()
    relay = outbox.relay(engine)
    assert (await relay.run_once(), await relay.run_once()) == (2, 0)
    assert await orders(queue) == [1, 3]
    await engine.dispose()


async def test_on_a_server(engine: Engine, default_server: Server, queue_key: str, valkey_client: object) -> None:
    async with driver_at(default_server.url, queue_key) as driver:
        queue = JobQueue(driver)
        outbox = make_outbox(engine, queue)
        with Session(engine) as session, session.begin():
            ids = [outbox.add(session, Ship(n), options=JobOptions(keep_for=timedelta(hours=1))) for n in range(5)]
        assert await outbox.relay(engine, at_once=2).run_once() == 2
        assert await outbox.relay(engine).run_once() == 3
        assert [job.id async for job in queue.jobs(JobStatus.PENDING)] == ids


async def test_options_arrive_and_delays_count_from_the_moment_of_adding(engine: Engine) -> None:
    clock = ManualClock(NOW)
    queue = JobQueue(MemoryJobQueue(clock=clock))
    outbox = make_outbox(engine, queue)
    own = JobID(int=7)
    with Session(engine) as session, session.begin():
        outbox.add(session, Ship(1), options=JobOptions(delay=timedelta(minutes=5), keep_for=timedelta(days=2)))
        outbox.add(session, Ship(2), options=JobOptions(delay_until=NOW + timedelta(hours=1)))
        assert outbox.add(session, Ship(3), options=JobOptions(job_id=own)) == own
    clock.advance(timedelta(minutes=4))
    await outbox.relay(engine).run_once()
    records = {job.id: job async for job in queue.jobs(JobStatus.PENDING)}
    assert sorted(str(job.due) for job in records.values() if job.id != own) == [
        str(NOW + timedelta(minutes=5)),
        str(NOW + timedelta(hours=1)),
    ]
    assert sorted(str(job.keep_for) for job in records.values()) == ["2 days, 0:00:00", "None", "None"]
    assert {str(job.queued_at) for job in records.values()} == {str(NOW)}


async def test_a_task_of_another_queue_says_how_long_its_result_is_kept(engine: Engine) -> None:
    @JobQueue(MemoryJobQueue()).task(keep_result=timedelta(hours=2))
    async def ship(order: int) -> None: ...

    queue = JobQueue(MemoryJobQueue())
    outbox = make_outbox(engine, queue)
    with Session(engine) as session, session.begin():
        outbox.add(session, ship.with_parameters(1))
    await outbox.relay(engine).run_once()
    assert [job.keep_for async for job in queue.jobs(JobStatus.PENDING)] == [timedelta(hours=2)]


async def test_each_field_of_a_job_survives_the_table() -> None:
    queue = JobQueue(MemoryJobQueue(clock=ManualClock(NOW)))
    values: dict[str, Any] = {
        "due": NOW,
        "remember": True,
        "keep_for": timedelta(days=1, microseconds=1),
        "expires": NOW + timedelta(days=1),
        "priority": -5,
        "lane": "customer:1",
        "unique": Unique("invoice", until=timedelta(hours=1), otherwise="replace"),
        "after": (JobID(int=1), JobID(int=2)),
        "if_failed": "run",
        "batch": JobID(int=3),
        "durability": Durability(replicas=2, append_only_file=True, timeout=timedelta(seconds=1.5)),
    }
    every = NewJob(JobID(int=9), b"{}", **values)
    assert {field.name for field in msgspec.structs.fields(NewJob)} == {*values, "job_id", "request"}

    async def prepare(*_: Any) -> tuple[NewJob, None]:
        return every, None

    queue._producer.prepare = prepare  # type: ignore[method-assign] # pyright: ignore[reportPrivateUsage]
    assert job_of(new_entry(queue, Ship(1), JobOptions())) == every


@pytest.mark.parametrize(
    "error",
    [Failing.error, NotDurable("no replica has it", replicas=0, append_only_file=False)],
    ids=lambda error: type(error).__name__,
)
async def test_a_push_that_is_repeated_stores_nothing_new(engine: Engine, error: JobsError) -> None:
    driver = Failing()
    driver.error = error
    queue = JobQueue(driver)
    done = list[int | str]()

    @queue.job(Ship)
    async def ship(parameters: Ship, context: object) -> None:
        done.append(parameters.order)

    outbox = make_outbox(engine, queue)
    with Session(engine) as session, session.begin():
        outbox.add(session, Ship(1))
    driver.failures = 1
    relay = outbox.relay(engine)
    with pytest.raises(type(error)):
        await relay.run_once()
    await run_until_idle(queue)
    assert (done, rows(engine, outbox)) == ([1], 1)
    assert await relay.run_once() == 1
    await run_until_idle(queue)
    assert (done, rows(engine, outbox)) == ([1], 0)


async def test_the_relay_waits_for_the_store_and_for_jobs(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    driver = Failing()
    driver.failures = 2
    queue = JobQueue(driver)
    outbox = make_outbox(engine, queue)
    with Session(engine) as session, session.begin():
        outbox.add(session, Ship(1))
    relay = outbox.relay(engine, poll_time=timedelta(milliseconds=1))
    running = asyncio.create_task(relay.run())
    await until(lambda: rows(engine, outbox) == 0)
    with Session(engine) as session, session.begin():
        outbox.add(session, Ship(2))
    await until(lambda: rows(engine, outbox) == 0)
    relay.stop()
    await running
    assert await orders(queue) == [1, 2]
    assert [record.getMessage() for record in caplog.records if "outbox" in record.name] == [
        "the outbox is tried again in 0.0 s: the answer is lost"
    ] * 2


async def test_what_cannot_be_pushed_stays_and_stops_nobody(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    driver = MemoryJobQueue(DriverConfiguration(max_payload=200))
    queue = JobQueue(driver)
    large = make_outbox(engine, JobQueue(MemoryJobQueue()), metadata := MetaData())
    outbox = make_outbox(engine, queue, metadata)
    with Session(engine) as session, session.begin():
        outbox.add(session, Ship(1))
        large.add(session, Ship("x" * 200))
        session.execute(insert(outbox.table).values(queue="jobQueue", job_id="no id", request=b"{}", fields="{}"))
        session.execute(
            insert(outbox.table).values(queue="jobQueue", job_id=str(JobID(int=5)), request=b"{}", fields="[]")
        )
        outbox.add(session, Ship(2))
        with pytest.raises(PayloadTooLarge):
            outbox.add(session, Ship("x" * 200))
    relay = outbox.relay(engine, at_once=3)
    assert [await relay.run_once() for _ in range(4)] == [1, 1, 0, 0]
    assert (await orders(queue), rows(engine, outbox)) == ([1, 2], 3)
    assert len([record for record in caplog.records if "cannot be pushed, and stays there" in record.message]) == 3


async def test_bytes_of_a_push_are_bounded(engine: Engine) -> None:
    driver = MemoryJobQueue(DriverConfiguration(max_atomic_push_bytes=500, max_payload=450))
    queue = JobQueue(driver)
    outbox = make_outbox(engine, queue)
    with Session(engine) as session, session.begin():
        for number in range(5):
            outbox.add(session, Ship(str(number) * 200))
    assert await outbox.relay(engine).run_once() == 5
    assert len(await orders(queue)) == 5


async def test_queues_share_a_table(engine: Engine) -> None:
    metadata = MetaData()
    queues = [JobQueue(MemoryJobQueue(ValkeyConfiguration(queue_key=key))) for key in ("mail", "bulk")]
    outboxes = [make_outbox(engine, queue, metadata) for queue in queues]
    assert outboxes[0].table is outboxes[1].table
    with Session(engine) as session, session.begin():
        for number, outbox in enumerate(outboxes):
            outbox.add(session, Ship(number))
    assert [await outbox.relay(engine).run_once() for outbox in outboxes] == [1, 1]
    assert [await orders(queue) for queue in queues] == [[0], [1]]


async def test_middleware_is_told_when_a_job_is_added(engine: Engine) -> None:
    class Tracing(Middleware):
        async def on_push(self, job: PushedJob) -> None:
            job.trace["traceparent"] = "x"

    class Waiting(Middleware):
        async def on_push(self, job: PushedJob) -> None:
            await asyncio.sleep(0)

    driver = MemoryJobQueue()
    outbox = make_outbox(engine, JobQueue(driver, middleware=[Tracing()]))
    with Session(engine) as session, session.begin():
        job_id = outbox.add(session, Ship(1))
        with pytest.raises(ConfigurationError, match="waits for something in `on_push`"):
            make_outbox(engine, JobQueue(driver, middleware=[Waiting()])).add(session, Ship(2))
    await outbox.relay(engine).run_once()
    stored = await driver.get(job_id)
    assert stored is not None
    assert b'"t":{"traceparent":"x"}' in (stored.request or b"")


def test_bad_input_is_refused(engine: Engine) -> None:
    outbox = make_outbox(engine, JobQueue(MemoryJobQueue()))
    with Session(engine) as session, session.begin():
        with pytest.raises(InvalidParameters):
            outbox.add(session, {"no": "job"})
        with pytest.raises(TypeError, match="options is a JobOptions"):
            outbox.add(session, Ship(1), options={})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="above zero"):
        outbox.relay(engine, poll_time=timedelta(0))
    with pytest.raises(ConfigurationError, match="entry 3 of the outbox cannot be read"):
        job_of(Entry(3, str(JobID(int=1)), b"{}", '{"due": {"new": 1}}'))
    assert rows(engine, outbox) == 0
