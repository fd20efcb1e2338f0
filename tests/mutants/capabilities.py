"""Bugs of what a driver says of itself."""

from typing import Any

from jobsvalkey.contract import (
    JobID,
    Operation,
)
from tests.mutants.mutant import Twin, mutant


@mutant("test_capability_what_works_is_stated")
class StatedButBroken(Twin):
    """`CANCEL` is listed as supported, and `cancel` does nothing."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        return False


@mutant("test_capability_what_is_stated_has_its_methods")
class StatedButMissing(Twin):
    """`DURABILITY` is listed as supported, and there is no such method."""

    is_durable: Any = None


@mutant("test_capability_closing_twice")
class ClosesOnce(Twin):
    """Closing a driver a second time is an error."""

    closed = False

    async def aclose(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


@mutant("test_capability_a_closed_driver_leaves_no_trace")
class ClosingReleasesJobs(Twin):
    """Closing a driver closes the workers of all."""

    async def aclose(self) -> None:
        for worker in list(self.state.workers):
            await self.close_worker(worker)
