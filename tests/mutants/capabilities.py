"""Bugs of what a driver says of itself."""

from collections.abc import Sequence
from typing import Any

from jobsvalkey.contract import JobID, NewJob, NotDurable, Operation, Pushed
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


@mutant("test_durability_a_demand_that_is_not_met_is_told_after_the_push")
class RefusesDemands(Twin):
    """A push that demands durability says that the demand was not met, and has stored nothing."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        if any(item.durability is not None for item in items):
            raise NotDurable("not stored", replicas=0, append_only_file=False, job_ids=[item.job_id for item in items])
        return await super().push(items, operation=operation)


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
