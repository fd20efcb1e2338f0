"""The stateful machine as a test of the suite."""

from contextlib import suppress
from os import environ
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from jobsvalkey.contract import Capability
from jobsvalkey_conformance.case import Case, Suite
from jobsvalkey_conformance.harness import DriverHarness
from jobsvalkey_conformance.machine.program import Failure, Program, error_of, machine_for
from jobsvalkey_conformance.marks import not_run
from jobsvalkey_conformance.settings import EXAMPLES, STEPS


class _Found(BaseException):
    """Ends the search. Hypothesis takes no notice of it, and so neither repeats nor shows what has failed."""


def run_machine(
    harness_type: type[DriverHarness], *, examples: int, steps: int, shrink: bool = True, same_each_time: bool = False
) -> int:
    """Run the machine; how many steps it took. An example has an event loop of its own: call it outside of any.

    `shrink` says whether a failure is made shorter before it is shown, `same_each_time` whether all runs of the same
    code take the same steps.

    Raises:
        AssertionError: the driver and the twin differ; the shortest program that was found is a note to the error.
    """
    found: list[Failure] = []

    class Searching(machine_for(harness_type)):
        def failed(self, error: Exception) -> None:
            found.append(Failure(Program(self.beginning, tuple(self.steps)), error))
            raise _Found

    with suppress(_Found):
        run_state_machine_as_test(
            Searching,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                derandomize=same_each_time,
                phases=(Phase.generate,),
                database=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
            ),
        )
    if found:
        # The first one: when the example is closed, another may come.
        raise error_of(found[0], harness_type, shorten=shrink)
    return Searching.steps_taken


class StatefulArea(Suite):
    """Random steps on the driver and on the twin, in lock step, compared after each one."""

    stateful_examples: ClassVar[int] = 25
    """How many examples run, unless JOBSVALKEY_STATEFUL_EXAMPLES says."""
    stateful_steps: ClassVar[int] = 40
    """How many steps an example has at most, unless JOBSVALKEY_STATEFUL_STEPS says."""

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
