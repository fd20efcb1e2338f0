"""The stateful machine as a test of the suite."""

from collections.abc import Generator
from contextlib import contextmanager
from os import environ
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture import engine
from hypothesis.stateful import run_state_machine_as_test

from jobsvalkey.contract import Capability
from jobsvalkey_conformance.case import Case, Suite
from jobsvalkey_conformance.harness import DriverHarness
from jobsvalkey_conformance.machine.lockstep import LockstepMachine
from jobsvalkey_conformance.marks import not_run
from jobsvalkey_conformance.settings import EXAMPLES, STEPS

SHRINKING_SECONDS = 40
"""How long a failure is made shorter."""


def machine_for(harness_type: type[DriverHarness]) -> type[LockstepMachine]:
    """The machine for the drivers of one harness."""
    machine = type("LockstepMachine", (LockstepMachine,), {"harness_type": harness_type, "steps_taken": 0})
    assert issubclass(machine, LockstepMachine)
    return machine


def run_machine(
    harness_type: type[DriverHarness], *, examples: int, steps: int, shrink: bool = True, same_each_time: bool = False
) -> int:
    """Run the machine; how many steps it took. An example has an event loop of its own: call it outside of any.

    `shrink` says whether a failure is made shorter before it is shown, `same_each_time` whether all runs of the same
    code take the same steps.

    Raises:
        AssertionError: the driver and the twin differ; the shortest program that was found is a note to the error.
    """
    machine = machine_for(harness_type)
    with _runnable(harness_type), pytest.MonkeyPatch.context() as patch:
        # There is no setting for it, and with its five minutes a slow store would run into the limits of CI.
        patch.setattr(engine, "MAX_SHRINKING_SECONDS", SHRINKING_SECONDS)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                print_blob=False,  # It is for a decorator, and here is nothing to decorate.
                derandomize=same_each_time,
                phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
                database=None,
                report_multiple_bugs=False,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
            ),
        )
    return machine.steps_taken


@contextmanager
def _runnable(harness_type: type[DriverHarness]) -> Generator[None]:
    """Put before the program that Hypothesis prints what it needs to run."""
    try:
        yield
    except Exception as failure:
        notes: list[str] = getattr(failure, "__notes__", [])
        start = next((number for number, note in enumerate(notes) if note.startswith("state = ")), len(notes))
        notes[start:start] = [
            f"from {machine_for.__module__} import {machine_for.__name__}",
            f"from {harness_type.__module__} import {harness_type.__qualname__.partition('.')[0]}",
            f"LockstepMachine = {machine_for.__name__}({harness_type.__qualname__})",
        ]
        raise


class StatefulArea(Suite):
    """Random steps on the driver and on the twin, in lock step, compared after each one."""

    stateful_examples: ClassVar[int] = 25
    """How many examples run, where JOBSVALKEY_STATEFUL_EXAMPLES does not say."""
    stateful_steps: ClassVar[int] = 40
    """How many steps an example has at most, where JOBSVALKEY_STATEFUL_STEPS does not say."""

    def test_stateful(self) -> None:
        """After any steps the driver shows what the twin shows."""
        if not self.harness_type.drives_clock:
            not_run("the harness drives no clock")
        run_machine(
            self.harness_type,
            examples=int(environ.get(EXAMPLES, self.stateful_examples)),
            steps=int(environ.get(STEPS, self.stateful_steps)),
        )

    # What `conformance_test` notes on the other tests, which are coroutines.
    test_stateful.conformance_case = Case("machine", Capability.QUEUE)  # pyright: ignore[reportFunctionMemberAccess]
