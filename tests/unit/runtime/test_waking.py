import asyncio
from collections.abc import Sequence
from datetime import timedelta

from jobsvalkey import JobCleanup, JobContext, JobOptions, JobQueue, JobStatus, ProcessorOptions
from jobsvalkey.contract import DriverConfiguration, Exchanged, Report, Settlement, SystemClock
from jobsvalkey_memory import MemoryJobQueue
from tests.support.drivers import status_of
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Work, counting
from tests.unit.runtime.support import make_driver, make_queue

HOUR = timedelta(hours=1)


async def test_weakness_16_a_push_wakes_an_idle_worker() -> None:
    queue = JobQueue(make_driver(poll_time=HOUR))
    ran = counting(queue)
    async with run_in_background(queue.processor()):
        for number in range(3):
            await queue.push(Work(number))
            await until(lambda number=number: number in ran)


async def test_a_job_wakes_the_worker_when_it_is_due() -> None:
    queue = JobQueue(MemoryJobQueue(DriverConfiguration(poll_time=HOUR), clock=SystemClock()))
    ran = counting(queue)
    async with run_in_background(queue.processor()):
        await queue.push(Work(1), options=JobOptions(delay=timedelta(milliseconds=30)))
        await until(lambda: ran)


async def test_a_driver_without_hints_is_polled() -> None:
    class Silent(MemoryJobQueue[SystemClock]):
        async def wait(self, worker: str, timeout: timedelta, *, work: bool = True) -> None:
            await asyncio.sleep(timeout.total_seconds())

    queue = JobQueue(Silent(DriverConfiguration(poll_time=timedelta(milliseconds=5))))
    ran = counting(queue)
    async with run_in_background(queue.processor()):
        for number in range(3):
            await queue.push(Work(number))
            await until(lambda number=number: number in ran)


async def test_a_job_that_ends_is_settled_while_others_run_and_none_is_due() -> None:
    queue = JobQueue(make_driver(poll_time=HOUR))
    go_on = asyncio.Event()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if parameters.number:
            await go_on.wait()

    ids = await queue.push_many([Work(1), Work(0)])
    async with run_in_background(queue.processor(ProcessorOptions(num_workers=3))):
        await until(lambda: queue.driver.state.jobs[ids[1]].status is JobStatus.COMPLETED)
        assert await status_of(queue, ids[0]) is JobStatus.PROCESSING
        go_on.set()
        await until(lambda: queue.driver.state.jobs[ids[0]].status is JobStatus.COMPLETED)


class Silent(MemoryJobQueue[SystemClock]):
    """Gives no hints."""

    async def wait(self, worker: str, timeout: timedelta, *, work: bool = True) -> None:
        await asyncio.sleep(timeout.total_seconds())


async def test_a_job_that_is_due_before_the_wait_is_over_is_not_waited_for() -> None:
    queue = JobQueue(Silent(DriverConfiguration(poll_time=HOUR)))
    go_on, ran = asyncio.Event(), list[int]()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.append(parameters.number)
        await go_on.wait()

    await queue.push(Work(1))
    async with run_in_background(queue.processor(ProcessorOptions(num_workers=2))):
        await until(lambda: ran == [1])
        await queue.push(Work(2), options=JobOptions(delay=timedelta(milliseconds=20)))
        go_on.set()
        await until(lambda: ran == [1, 2])


class Forgetful(MemoryJobQueue[SystemClock]):
    """Gives a hint to whoever waits, once, and its exchanges take a while."""

    def __init__(self) -> None:
        super().__init__(DriverConfiguration(poll_time=HOUR))
        self.hint = asyncio.Event()
        self.exchanging = asyncio.Event()
        self.go_on = asyncio.Event()

    async def wait(self, worker: str, timeout: timedelta, *, work: bool = True) -> None:
        await self.hint.wait()
        self.hint.clear()

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        exchanged = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        if settlements:
            self.exchanging.set()
            await self.go_on.wait()
        return exchanged


async def test_a_hint_during_an_exchange_is_not_lost() -> None:
    driver = Forgetful()
    queue = JobQueue(driver)
    ran = counting(queue)
    await queue.push(Work(1))
    async with run_in_background(queue.processor(ProcessorOptions(num_workers=2))):
        await driver.exchanging.wait()
        await queue.push(Work(2))
        driver.hint.set()
        await until(lambda: not driver.hint.is_set())
        driver.go_on.set()
        await until(lambda: ran == [1, 2])


async def test_a_lost_handler_occupies_its_slot_until_it_ends() -> None:
    queue = make_queue()
    go_on, ran = asyncio.Event(), list[int]()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.append(parameters.number)
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                ran.append(-1)

    await queue.push(Work(1))
    async with run_in_background(queue.processor(options(num_workers=2))):
        await until(lambda: ran == [1])
        await queue.driver.cleanup(processing_jobs=JobCleanup.remove())
        await until(lambda: ran == [1, -1])
        await queue.push_many([Work(2), Work(3)])
        await until(lambda: ran == [1, -1, 2])
        assert (await queue.counts())[JobStatus.PENDING] == 1
        go_on.set()
        await until(lambda: ran == [1, -1, 2, 3])


class Listening(MemoryJobQueue[SystemClock]):
    """Notes what is waited for."""

    def __init__(self) -> None:
        super().__init__(DriverConfiguration(poll_time=HOUR))
        self.waited: list[bool] = []

    async def wait(self, worker: str, timeout: timedelta, *, work: bool = True) -> None:
        self.waited.append(work)
        await super().wait(worker, timeout, work=work)


async def test_a_worker_that_holds_nothing_waits_for_no_news() -> None:
    """A burst ends so: each wait for news would open a connection."""
    queue = JobQueue(Listening())
    ran = counting(queue)
    await queue.push_many([Work(number) for number in range(5)])
    await queue.processor(options(burst=True, num_workers=10)).run()
    assert len(ran) == 5
    assert False not in queue.driver.waited
    await queue.push_many([Work(number) for number in range(5)])
    await queue.processor(options(burst=True, num_workers=2)).run()
    assert len(ran) == 10
    assert False in queue.driver.waited  # all its slots are taken, and what it holds may be asked to end
