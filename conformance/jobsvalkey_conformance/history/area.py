"""Concurrent histories as a test of the suite."""

import asyncio
import secrets
from os import environ
from random import Random
from typing import ClassVar

import pytest

from jobsvalkey.contract import DO_NOT_RETAIN, RETAIN, Capability, RetentionPolicy
from jobsvalkey_conformance.case import Case, Suite
from jobsvalkey_conformance.context import SuiteContext, open_context
from jobsvalkey_conformance.harness import DriverHarness, Hook
from jobsvalkey_conformance.history.checks import violations
from jobsvalkey_conformance.history.clients import Shared, clients, drain, set_limits
from jobsvalkey_conformance.history.flows import Flows
from jobsvalkey_conformance.history.record import History, Recorder
from jobsvalkey_conformance.marks import not_run
from jobsvalkey_conformance.settings import CALLS, HISTORIES, SEED

DRIVERS = 3
"""Drivers, each with its own connections, among which the clients of one history are spread."""
RETENTIONS = (RETAIN, DO_NOT_RETAIN)
"""Those that tell what becomes of a job without looking at others or at the time: what is past its age is trimmed when
another job ends, which the history of the one does not show."""


async def record_history(kit: SuiteContext, seed: int, calls: int) -> History:
    """The history of clients that make about `calls` calls at once, with faults, and of the end that they come to."""
    assert kit.clock is not None, "a history needs a clock that can be driven"
    random = Random(seed)
    completed, failed, cancelled = (random.choice(RETENTIONS) for _ in range(3))
    policy = RetentionPolicy(completed_jobs=completed, failed_jobs=failed, cancelled_jobs=cancelled)
    drivers = [await kit.driver(retention_policy=policy) for _ in range(DRIVERS)]
    recorder = Recorder(History(drivers[0].configuration), kit.clock, random)
    shared = Shared(recorder, frozenset(drivers[0].capabilities), calls)
    # Jobs that are tied are looked at alone, where the turns of their lanes would be others.
    shared.has_names = Capability.UNIQUE in shared.capabilities and seed % 5 == 0
    shared.has_lanes = Capability.LANES in shared.capabilities and seed % 5 == 1
    if Capability.FLOWS in shared.capabilities and seed % 5 in (2, 4):
        shared.flows = Flows(shared.capabilities)
    if shared.has_lanes and seed % 2:
        await set_limits(shared, drivers[0], random)
    async with asyncio.TaskGroup() as group:
        group.create_task(_faults(kit, shared, random))
        for client in clients(shared, drivers, seed):
            group.create_task(client.run())
    await drain(shared, drivers[0])
    return recorder.finish()


async def check_history(harness_type: type[DriverHarness], seed: int, calls: int) -> History:
    """Record a history on a new harness, and check it.

    Raises:
        AssertionError: something is wrong with it; the message says what, and the seed.
    """
    try:
        async with open_context(harness_type) as kit:
            history = await record_history(kit, seed, calls)
        if found := violations(history):
            raise AssertionError("\n".join(found))
    except BaseException as error:
        error.add_note(f"to record this history again: {SEED}={seed} {HISTORIES}=1 {CALLS}={calls}")
        raise
    return history


async def _faults(kit: SuiteContext, shared: Shared, random: Random) -> None:
    """Break connections, lose replies and, once, restart the store, for as long as the clients run."""
    faults = sorted(kit.harness.hooks & {Hook.KILL_CONNECTIONS, Hook.DROP_REPLY, Hook.RESTART_STORE})
    while faults and shared.calls_left > 0:
        await shared.calls_made(random.randint(10, 40))
        fault = random.choice(faults)
        with shared.recorder.fault():
            if fault is Hook.DROP_REPLY:
                async with kit.harness.drop_reply():
                    await shared.calls_made(10)
            elif fault is Hook.KILL_CONNECTIONS:
                await kit.harness.kill_connections()
            else:
                faults.remove(fault)
                await kit.harness.restart_store()


class HistoryArea(Suite):
    """Many clients at once, with faults; what they were told is checked afterwards."""

    histories: ClassVar[int] = 5
    """How many histories are recorded, unless JOBSVALKEY_HISTORIES says."""
    history_calls: ClassVar[int] = 200
    """How many calls the clients of each make, unless JOBSVALKEY_HISTORY_CALLS says."""

    @pytest.mark.asyncio
    async def test_histories(self) -> None:
        """Whatever clients do at once, their answers are those of some order of their steps, and nothing is lost."""
        if not self.harness_type.drives_clock:
            not_run("the harness drives no clock")
        first = int(environ.get(SEED, secrets.randbelow(1_000_000)))
        for seed in range(first, first + int(environ.get(HISTORIES, self.histories))):
            await check_history(self.harness_type, seed, int(environ.get(CALLS, self.history_calls)))

    # What `conformance_test` notes on the tests that it makes.
    test_histories.conformance_case = Case("history", Capability.QUEUE)  # pyright: ignore[reportFunctionMemberAccess]
