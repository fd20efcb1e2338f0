"""The stateful machine finds bugs, shows how, and takes the steps that it should on the twin."""

import asyncio
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jobsvalkey_conformance.machine import program
from jobsvalkey_conformance.machine.area import run_machine
from jobsvalkey_conformance.machine.lockstep import LockstepMachine
from jobsvalkey_conformance.machine.program import machine_for
from msgspec.structs import replace

from jobsvalkey.contract import Exchanged, NewJob, Operation, Pushed
from tests.support.broken_twins import BROKEN, LatestFirstHarness, Twin, harness_of
from tests.support.harnesses import MemoryHarness, ValkeyHarness
from tests.support.servers import Server

LATER = {"CancelDeletesRunning"}
"""It takes a search of many steps, so it is left to `-m slow`."""


@pytest.mark.parametrize(
    "broken",
    [pytest.param(broken, marks=[pytest.mark.slow] if broken.__name__ in LATER else []) for broken in BROKEN],
    ids=lambda broken: broken.__name__,
)
def test_a_bug_is_found(broken: type[Twin]) -> None:
    with pytest.raises(AssertionError, match=r"the driver says|the token|until_next is"):
        run_machine(harness_of(broken), examples=2000, steps=40, shrink=False, same_each_time=True)


def test_a_failure_is_a_program_that_runs_as_it_is_printed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as failure:
        run_machine(LatestFirstHarness, examples=2000, steps=10, same_each_time=True)
    headline, *lines = "\n".join(failure.value.__notes__).splitlines()
    assert headline == "the steps that lead there:"
    assert sum(line.startswith("state.take") for line in lines) < 6, "it was not made short"
    file = tmp_path / "program.py"
    file.write_text("\n".join(lines))
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, file], env={"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert str(failure.value).splitlines()[0] in done.stderr


class Forgetful(Twin):
    """Forgets a job now and then, whatever is done: the same steps go well the next time."""

    forgotten = 0

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        answer = await super().push(items, operation=operation)
        if operation is None and self.state.jobs and not Forgetful.forgotten:
            Forgetful.forgotten += 1
            self.state.take(next(iter(self.state.jobs)))
        return answer


def test_a_failure_that_does_not_come_back_shows_what_was_done() -> None:
    Forgetful.forgotten = 0
    with pytest.raises(AssertionError, match="the driver says") as failure:
        run_machine(harness_of(Forgetful), examples=100, steps=20)
    (note,) = failure.value.__notes__
    assert note.startswith("this failure is not reproducible: 3 more runs of the program")
    assert "\nstate.take(step=('push" in note
    shown = "".join(traceback.format_exception(failure.value))
    assert "hypothesis" not in shown.lower(), "its insides are nobody's business"


class Slow(Twin):
    """Answers as over a network."""

    async def exchange(self, *args: Any, **kwargs: Any) -> Exchanged:
        time.sleep(0.002)  # noqa: ASYNC251 - the clock is driven, but this is real
        answer = await super().exchange(*args, **kwargs)
        return replace(answer, claims=[*reversed(answer.claims)])


def test_a_failure_of_a_slow_store_is_made_short_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    # Seconds on a quiet machine; on a busy one the same work takes longer.
    monkeypatch.setattr(program, "SHORTENING_SECONDS", 4 * program.SHORTENING_SECONDS)
    with pytest.raises(AssertionError) as failure:
        run_machine(harness_of(Slow), examples=100, steps=40)
    lines = failure.value.__notes__[0].splitlines()
    assert sum(line.startswith("state.take") for line in lines) <= 3


def test_a_step_that_hangs_is_shown_and_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hangs(Twin):
        async def pause(self, *args: Any, **kwargs: Any) -> bool:
            return await asyncio.Event().wait()

    monkeypatch.setenv("JOBSVALKEY_TEST_SECONDS", "0.2")
    with pytest.raises(AssertionError, match=r"did not end within 0.2 s") as failure:
        run_machine(harness_of(Hangs), examples=100, steps=20)
    assert failure.value.__notes__[0].startswith("the last of these steps hangs")


def test_each_machine_counts_its_own_steps() -> None:
    assert run_machine(harness_of(Twin), examples=5, steps=10) >= 5
    assert LockstepMachine.steps_taken == 0
    assert machine_for(MemoryHarness).harness_type is MemoryHarness


@pytest.mark.slow
def test_the_twin_passes_ten_thousand_steps() -> None:
    assert run_machine(MemoryHarness, examples=340, steps=40) >= 10_000


@pytest.mark.night
@pytest.mark.timeout(3600)
def test_the_valkey_driver_passes_ten_thousand_steps(default_server: Server) -> None:
    class Harness(ValkeyHarness):
        server = default_server

    assert run_machine(Harness, examples=340, steps=40) >= 10_000
