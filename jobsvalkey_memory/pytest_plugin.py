"""Fixtures for the tests of applications: `job_queue`, and `job_clock`, its clock.

They are plain fixtures, for tests with and without coroutines, in any mode of pytest-asyncio. The library is imported
when a test asks for one of them, not in every run of pytest.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jobsvalkey_memory import ManualClock, TwinQueue


@pytest.fixture
def job_clock() -> "ManualClock":
    """The clock of `job_queue`; it stands still until `job_clock.advance(timedelta(...))`."""
    from jobsvalkey_memory import ManualClock

    return ManualClock()


@pytest.fixture
def job_queue(job_clock: "ManualClock") -> "TwinQueue":
    """An empty in-memory queue. Override it, by a fixture of the same name that takes it, to register your jobs."""
    from jobsvalkey.runtime import JobQueue
    from jobsvalkey_memory import MemoryJobQueue

    return JobQueue(MemoryJobQueue(clock=job_clock))
