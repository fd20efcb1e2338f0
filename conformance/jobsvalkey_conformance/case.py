"""The decorator that makes a method a test of the suite, and says what it needs."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import pytest

from jobsvalkey.contract import Capability
from jobsvalkey_conformance.context import SuiteContext, open_context
from jobsvalkey_conformance.harness import DriverHarness, Hook
from jobsvalkey_conformance.marks import NO_OWN_CLOCK, ONE_LOOP, not_run

MOMENTS = [timedelta(seconds=0.3), timedelta(seconds=1.2), timedelta(seconds=5)]
"""Of real time: a longer one if the steps of a test took too long beside a shorter one, as on a busy machine."""

P = ParamSpec("P")
S = TypeVar("S", bound="Suite")


class Suite:
    """The base of all areas."""

    harness_type: ClassVar[type[DriverHarness]]
    """Makes the drivers under test."""


@dataclass(frozen=True, slots=True)
class Case:
    """The subject of a test, and its needs."""

    area: str
    capability: Capability
    """The capability that it is counted under."""
    driven_clock: bool = False
    """Whether it is for harnesses only that drive the clock."""


def conformance_test(
    *needs: Capability | Hook,
    driven_clock: bool = False,
    own_clock: bool = False,
    hints: bool = False,
    several_loops: bool = False,
) -> Callable[
    [Callable[Concatenate[S, SuiteContext, P], Awaitable[None]]], Callable[Concatenate[S, P], Awaitable[None]]
]:
    """Make a test of a method that takes a `SuiteContext`. It runs if the driver and its harness have all of `needs`.

    The first capability is what the test is about; by default it is `QUEUE`. `driven_clock` is for tests of times too
    long to wait for, `own_clock` for tests of the store's own time, `hints` for drivers whose `wait` returns at a hint,
    `several_loops` for stores that drivers of several threads may use.
    """
    capabilities = [need for need in needs if isinstance(need, Capability)]

    def decorate(
        function: Callable[Concatenate[S, SuiteContext, P], Awaitable[None]],
    ) -> Callable[Concatenate[S, P], Awaitable[None]]:
        # All of a test, the entering and leaving of its drivers too, runs in one task: a driver may own a TaskGroup.
        @functools.wraps(function)
        async def test(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
            for moment in MOMENTS:
                async with open_context(self.harness_type) as kit:
                    kit.moment = moment
                    try:
                        await steps(self, kit, *args, **kwargs)
                        return
                    except Exception:
                        if not kit.was_late or moment is MOMENTS[-1]:
                            raise

        async def steps(self: S, kit: SuiteContext, /, *args: P.args, **kwargs: P.kwargs) -> None:
            if driven_clock and kit.clock is None:
                not_run("the harness drives no clock")
            if own_clock and not kit.harness.has_own_clock:
                not_run(NO_OWN_CLOCK)
            if own_clock:
                kit.clock = None
            if several_loops and not kit.harness.several_loops:
                not_run(ONE_LOOP)
            if hints and not kit.harness.has_hints:
                not_run("the driver has no hints")
            async with kit.make(kit.configuration) as driver:
                kit.capabilities = frozenset(driver.capabilities)
            kit.needs(*needs)
            await function(self, kit, *args, **kwargs)

        # Otherwise pytest would take the kit for a fixture.
        signature = inspect.signature(function)
        shown: Any = test
        shown.__signature__ = signature.replace(
            parameters=[parameter for name, parameter in signature.parameters.items() if name != "kit"]
        )
        area = function.__module__.rpartition(".")[2]
        shown.conformance_case = Case(area, capabilities[0] if capabilities else Capability.QUEUE, driven_clock)
        return pytest.mark.asyncio(test)

    return decorate
