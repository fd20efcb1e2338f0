"""The stateful machine finds bugs, shows how, and takes the steps that it should on the twin."""

import subprocess
import sys
from pathlib import Path

import pytest
from jobsvalkey_conformance.machine.area import machine_for, run_machine
from jobsvalkey_conformance.machine.lockstep import LockstepMachine

from tests.support.broken_twins import BROKEN, LatestFirstHarness, Twin, harness_of
from tests.support.harnesses import MemoryHarness


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_bug_is_found(broken: type[Twin]) -> None:
    with pytest.raises(AssertionError, match=r"the driver says|the token|until_next is"):
        run_machine(harness_of(broken), examples=400, steps=40, shrink=False)


def test_a_failure_is_a_program_that_runs_as_it_is_printed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as failure:
        run_machine(LatestFirstHarness, examples=100, steps=10, same_each_time=True)
    headline, *lines = "\n".join(failure.value.__notes__).splitlines()
    assert "state" in headline
    assert sum(line.startswith("state.take") for line in lines) < 6, "it was not made short"
    program = tmp_path / "program.py"
    program.write_text("\n".join(lines))
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, program], env={"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert str(failure.value).splitlines()[0] in done.stderr


def test_each_machine_counts_its_own_steps() -> None:
    assert run_machine(harness_of(Twin), examples=5, steps=10) >= 5
    assert LockstepMachine.steps_taken == 0
    assert machine_for(MemoryHarness).harness_type is MemoryHarness


@pytest.mark.slow
def test_the_twin_passes_ten_thousand_steps() -> None:
    assert run_machine(MemoryHarness, examples=300, steps=40) >= 10_000
