"""Fixtures for the tests of applications: `job_clock`, and `job_queue`, which is on it.

They are plain fixtures, for tests of either kind, whatever the mode of pytest-asyncio is. The library is imported
when one is asked for, not by every run of pytest.
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
