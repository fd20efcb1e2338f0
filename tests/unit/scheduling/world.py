"""A queue on a driven clock, and schedulers of it."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from jobsvalkey.contract import Finish, JobName, JobStatus
from jobsvalkey.middleware import Middleware
from jobsvalkey.runtime import JobQueue
from jobsvalkey.scheduling import Accuracy, ExclusiveLock, JobSchedule, Schedule, Scheduler, SchedulerOptions
from jobsvalkey_memory import ManualClock, MemoryJobQueue, MemoryStore

START = datetime(2024, 1, 1, 12, 0, 30, tzinfo=UTC)
KEY = "jobQueue.tick.jobScheduleLastDate"
MINUTE = timedelta(minutes=1)
EVERY_MINUTE = Schedule.every_minute()
LOCK = ExclusiveLock(every=timedelta(seconds=10), hold_for=timedelta(seconds=30))


class World:
    """A queue on a driven clock."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.store = MemoryStore()
        self.driver = MemoryJobQueue(clock=self.clock, store=self.store)

    def scheduler(
        self,
        accuracy: Accuracy = Accuracy.LATEST,
        *,
        names: str = "tick",
        schedule: Schedule = EVERY_MINUTE,
        driver: Any = None,
        middleware: list[Middleware] | None = None,
        batch_size: int = 500,
    ) -> Scheduler:
        jobs = JobSchedule()
        for name in names.split():
            jobs.add_job(JobName(name, str), "text", schedule, accuracy=accuracy)
        queue = JobQueue(cast(MemoryJobQueue[Any], driver or self.driver), middleware=middleware or [])
        return jobs.scheduler(queue, options=SchedulerOptions(lock=LOCK, batch_size=batch_size))

    async def pending(self) -> list[str]:
        """Due times of the jobs that wait, oldest first."""
        return [f"{job.due:%H:%M}" async for job in self.driver.jobs(JobStatus.PENDING)]

    async def run_and_forget(self) -> int:
        """Run all that is due; nothing of it stays."""
        await self.driver.open_worker("w", timedelta(days=1))
        claims = (await self.driver.exchange("w", 1, limit=1000)).claims
        await self.driver.exchange("w", 2, [Finish(claim.job_id, claim.token) for claim in claims])
        await self.driver.close_worker("w")
        return len(claims)
