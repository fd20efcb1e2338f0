"""The jobs that a driver brings along, through a processor: each with each action, alone and beside others."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobsvalkey import CleanupParameters, JobCleanup, JobQueue, JobStatus, Middleware, PoppedJob
from jobsvalkey.contract import JobID, OrphanedCleanupParameters
from jobsvalkey_memory import ManualClock
from tests.support.every_driver import COMPLETE_DRIVERS, Queue, Store
from tests.support.processors import options
from tests.support.waiting import PATIENCE
from tests.support.work import Work

pytestmark = pytest.mark.parametrize("store", COMPLETE_DRIVERS, indirect=True)

REMOVE, RERUN = JobCleanup.remove(), JobCleanup.RERUN
HAVE_NOT_RUN = (JobStatus.PENDING, JobStatus.PAUSED)
CLEANED = [status for status in JobStatus if status is not JobStatus.WAITING]
"""The states that a cleanup has an action for: a job that waits for others ends with them."""


def of(action: JobCleanup, *states: JobStatus, only_orphans: bool = False) -> CleanupParameters:
    """The parameters of a cleanup that does this to these states."""
    actions: dict[str, Any] = {f"{status}_jobs": action for status in states}
    return CleanupParameters(**actions, only_orphans=only_orphans)


HAVE_RUN = [status for status in CLEANED if status not in HAVE_NOT_RUN]
EACH_ACTION = [
    *(of(REMOVE, status) for status in CLEANED),
    *(of(RERUN, status) for status in HAVE_RUN),
    of(RERUN, *HAVE_RUN),
    of(REMOVE, *CLEANED),
    of(RERUN, JobStatus.PROCESSING, only_orphans=True),
]


def summary(parameters: CleanupParameters) -> str:
    """What a cleanup does, as the id of a test."""
    actions = {status: getattr(parameters, f"{status}_jobs").action for status in CLEANED}
    return " ".join(f"{action} {status}" for status, action in actions.items() if action != "nothing")


class Runs(Middleware):
    """Counts the runs of each job."""

    def __init__(self) -> None:
        self.of = Counter[JobID]()

    async def on_pop(self, job: PoppedJob) -> None:
        self.of[job.job_id] += 1
        assert self.of[job.job_id] < 20, f"{job.name} runs for ever"


class TickingClock(ManualClock):
    """Goes on whenever it is looked at, as a true one does."""

    def now(self) -> datetime:
        self._now += timedelta(microseconds=1)
        return self._now


async def watched(store: Store) -> tuple[Queue, Runs]:
    """A queue, and the runs of its jobs."""
    runs = Runs()
    plain = await store.queue()
    queue: Queue = JobQueue(plain.driver, middleware=[runs])

    @queue.job(Work)
    async def work(parameters: Work, context: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        await asyncio.sleep(0)

    return queue, runs


async def burst(queue: Queue, workers: int = 4) -> None:
    async with asyncio.timeout(PATIENCE):
        await queue.processor(options(burst=True, num_workers=workers)).run()


@pytest.mark.parametrize("parameters", EACH_ACTION, ids=summary)
async def test_a_cleanup_job_runs_once_and_completes(store: Store, parameters: CleanupParameters) -> None:
    queue, runs = await watched(store)
    job_id = await queue.push(queue.driver.cleanup_job, parameters)
    await burst(queue)
    assert runs.of[job_id] == 1
    assert await queue.status(job_id) is JobStatus.COMPLETED


async def test_a_cleanup_of_orphans_runs_once_and_completes(store: Store) -> None:
    queue, runs = await watched(store)
    job: Any = queue.driver
    job_id = await queue.push(job.orphan_cleanup_job, OrphanedCleanupParameters())
    await burst(queue)
    assert runs.of[job_id] == 1
    assert await queue.status(job_id) is JobStatus.COMPLETED


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("parameters", EACH_ACTION, ids=summary)
async def test_cleanup_jobs_do_not_run_each_other_for_ever(
    store: Store, parameters: CleanupParameters, workers: int
) -> None:
    store.clock = TickingClock()
    queue, runs = await watched(store)
    await queue.push_many([Work(number) for number in range(3)])
    ids = [await queue.push(queue.driver.cleanup_job, parameters) for _ in range(3)]
    await burst(queue, workers)
    # Each of the others takes it once at most: whatever it has rerun is younger than it is.
    assert all(runs.of[job_id] <= 3 for job_id in ids), runs.of
    for status in (JobStatus.PENDING, JobStatus.PROCESSING):
        assert (await queue.counts())[status] == 0


async def test_a_cleanup_job_takes_what_it_is_for(store: Store) -> None:
    queue, runs = await watched(store)
    work = await queue.push(Work(1))
    await burst(queue)
    assert await queue.status(work) is JobStatus.COMPLETED
    await queue.push(queue.driver.cleanup_job, CleanupParameters(completed_jobs=RERUN))
    await burst(queue)
    assert runs.of[work] == 2
