"""Bugs of pushes on a condition."""

import asyncio
from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import Capability, NewJob, Operation, PushedIf, StoreOutcome
from tests.mutants.mutant import Twin, mutant


@mutant("test_scheduling_something_else_is_there")
class PushIfWithoutCompare(Twin):
    """`push_if` pushes, whatever the key holds."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        found = self._plain(key, self.now())
        return await super().push_if(item, key, found, value, operation=operation)


@mutant("test_scheduling_a_present_id_moves_the_key")
class PushIfStaysOnDuplicate(Twin):
    """`push_if` leaves the key if the id is a duplicate: the scheduler is stuck at that trigger."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        before = self.state.metadata.get(key)
        pushed = await super().push_if(item, key, expected, value, operation=operation)
        if pushed.outcome is StoreOutcome.DUPLICATE:
            self.state.metadata.pop(key)
            self.state.metadata |= {key: before} if before else {}
        return pushed


@mutant("test_scheduling_a_field_that_is_not_supported_is_refused")
class PushIfDropsFields(Twin):
    """`push_if` leaves out in silence what the driver does not support."""

    capabilities = Twin.capabilities - {Capability.LANES}

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        plain = NewJob(item.job_id, item.request, item.due, item.remember)
        return await super().push_if(plain, key, expected, value, operation=operation)


@mutant("test_scheduling_one_of_many_schedulers_pushes", weakness=10)
class PushIfInTwoSteps(Twin):
    """`push_if` pushes, then stores the date: of two schedulers at once both push."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        if await self.get_metadata(key) != expected:
            return PushedIf(StoreOutcome.UNEXPECTED, item.job_id)
        await asyncio.sleep(0)
        [pushed] = await self.push([item])
        await self.set_metadata(key, value)
        return PushedIf(pushed.outcome, item.job_id)


@mutant("test_scheduling_the_trigger_comes_with_every_claim")
class TriggerForgotten(Twin):
    """`push_if` makes a job that was due long ago due now."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        now = self.clock.now()
        due = max(item.due, now) if isinstance(item.due, datetime) else item.due
        return await super().push_if(replace(item, due=due), key, expected, value, operation=operation)
