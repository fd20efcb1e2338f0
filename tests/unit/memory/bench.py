"""A twin on a manual clock, and short words for what the tests do to it."""

from datetime import timedelta

from jobsvalkey.contract import DriverConfiguration, Due, JobID, NewJob, new_job_id
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.support.pushes import STORED, outcomes
from tests.support.retention import KEEP_ALL

SECOND = timedelta(seconds=1)
HOLD = 30 * SECOND
WORKER = "worker-1"


class Bench:
    """`queue` is the driver."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.queue = MemoryJobQueue(DriverConfiguration(retention_policy=KEEP_ALL), self.clock)
        self._sequence = 0

    async def push(self, due: Due = None) -> JobID:
        job_id = new_job_id()
        assert outcomes(await self.queue.push([NewJob(job_id, b"request", due)])) == [STORED]
        return job_id

    async def find_nothing(self, worker: str) -> None:
        """Have a worker look for work in vain; it is opened if need be."""
        if worker not in self.queue.state.workers:
            await self.queue.open_worker(worker, HOLD)
        self._sequence += 1
        assert not (await self.queue.exchange(worker, self._sequence, limit=5)).claims
