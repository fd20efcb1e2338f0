"""The steps of an example of the machine, as a program: to be run again, to be made shorter, and to be shown."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

from jobsvalkey_conformance.harness import DriverHarness
from jobsvalkey_conformance.limit import Hanging
from jobsvalkey_conformance.machine.lockstep import LockstepMachine

Step: TypeAlias = tuple[str, dict[str, Any]]

SHORTENING_SECONDS = 40.0
"""How long a failing program is made shorter."""
TRIES = 3
"""How often a program is run again before its failure counts as one that does not come back."""
SIMPLE: dict[str, Any] = {
    "completed": "retain",
    "failed": "retain",
    "cancelled": "retain",
    "window_hours": 24,
    "queue": 0,
    "worker": 0,
    "number": 0,
    "limit": 1,
    "due": "now",
    "remember": False,
    "keep_for": None,
    "expires": None,
    "numbered": False,
    "anywhere": False,
    "only_orphans": False,
    "except_for": None,
    "ago": None,
    "asker": None,
    "max_jobs": 250,
}
"""The value of an argument that asks for the least thought, by its name."""


@dataclass(frozen=True, slots=True)
class Program:
    """The settings of the two queues, and the steps."""

    settings: dict[str, Any]
    steps: tuple[Step, ...]

    def failure(self, harness_type: type[DriverHarness]) -> "Failure | None":
        """Run it on a new harness; how it fails, if it does."""
        machine, done = machine_for(harness_type)(), 0
        try:
            try:
                machine.begin(**self.settings)
                for step in self.steps:
                    done += 1
                    machine.take(step=step)
            finally:
                machine.teardown()
        except Exception as error:
            return Failure(replace(self, steps=self.steps[:done]), error)
        return None

    def text(self, harness_type: type[DriverHarness]) -> str:
        """The program as it can be run."""
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return "\n".join(
            (
                f"from {machine_for.__module__} import {machine_for.__name__}",
                f"from {harness_type.__module__} import {harness_type.__qualname__.partition('.')[0]}",
                f"state = {machine_for.__name__}({harness_type.__qualname__})()",
                f"state.begin({settings})",
                *(f"state.take(step={step!r})" for step in self.steps),
                "state.teardown()",
            )
        )

    def simpler(self) -> "Iterator[Program]":
        """The same with one word less, or one that is simpler."""
        for settings in _simpler(self.settings):
            yield replace(self, settings=settings)
        for at, (kind, arguments) in enumerate(self.steps):
            for simpler in _simpler(arguments):
                yield replace(self, steps=(*self.steps[:at], (kind, simpler), *self.steps[at + 1 :]))


@dataclass(frozen=True, slots=True)
class Failure:
    """A program up to the step that fails, and how that fails."""

    program: Program
    error: Exception


def _simpler(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in arguments.items():
        if isinstance(value, list):
            items = cast("list[Any]", value)
            yield from (
                {**arguments, name: [*items[:at], *items[at + 1 :]]} for at in range(len(items) * (len(items) > 1))
            )
        elif name in SIMPLE and value != SIMPLE[name]:
            yield {**arguments, name: SIMPLE[name]}


def machine_for(harness_type: type[DriverHarness]) -> type[LockstepMachine]:
    """The machine for the drivers of one harness."""
    machine = type("LockstepMachine", (LockstepMachine,), {"harness_type": harness_type, "steps_taken": 0})
    assert issubclass(machine, LockstepMachine)
    return machine


def error_of(found: Failure, harness_type: type[DriverHarness], *, shorten: bool) -> Exception:
    """The error to raise for a failure. Its note is the shortest program that was found to fail like that."""
    if isinstance(found.error, Hanging):
        note = "the last of these steps hangs"
    elif (again := next(filter(None, (found.program.failure(harness_type) for _ in range(TRIES))), None)) is None:
        note = f"this failure is not reproducible: {TRIES} more runs of the program passed, which is shown whole"
    else:
        found, note = _shortest(again, harness_type) if shorten else again, "the steps that lead there"
    found.error.add_note(f"{note}:\n{found.program.text(harness_type)}")
    return found.error


def _shortest(found: Failure, harness_type: type[DriverHarness]) -> Failure:
    """Leave out what the failure does not need, as long as there is time: halves, quarters, steps, words."""
    end = time.monotonic() + SHORTENING_SECONDS

    def fails(candidate: Program) -> bool:
        nonlocal found
        failure = candidate.failure(harness_type) if time.monotonic() < end else None
        if failure is None or type(failure.error) is not type(found.error):
            return False
        found = failure
        return True

    size = len(found.program.steps) // 2
    while size:
        at, steps = 0, found.program.steps
        while at < len(found.program.steps):
            now = found.program
            if not fails(replace(now, steps=now.steps[:at] + now.steps[at + size :])):
                at += size
        if size > 1 or found.program.steps == steps:
            size //= 2
    while any(fails(candidate) for candidate in found.program.simpler()):
        pass
    return found
