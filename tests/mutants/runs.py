"""Runs the kit on mutants, in processes of their own that do nothing else."""

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pytest
from jobsvalkey_conformance import context
from jobsvalkey_conformance.history.area import check_history
from jobsvalkey_conformance.machine.area import run_machine
from jobsvalkey_conformance.run import WHOLE, run

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Search
from tests.support.harnesses import ValkeyHarness
from tests.support.servers import ServerOptions
from tests.support.servers.remote import RemoteServer

PATIENCE = 2.0
"""Seconds that the kit waits here for what does not come: a fifth of what it grants a stranger's store."""
EXAMPLES, STEPS = 4000, 40
"""Many, since the search is by chance: it ends with the first difference, mostly within a few dozen."""
HISTORIES, CALLS = 30, 200


def prepare(server_url: str) -> None:
    """Set a process up, before it imports the areas."""
    context.PATIENCE = PATIENCE
    ValkeyHarness.server = RemoteServer("mutants", "the tests' own", server_url, ServerOptions())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the kit said."""

    failed: dict[str, str]
    """The tests that failed, and why."""
    passed: list[str]
    warnings: list[str]
    errors: list[str]
    """What could not even be run."""


def judge(target: str, selection: str, parts: Sequence[str] = (WHOLE,)) -> Verdict:
    """Run what `-k` selects of parts of the kit, on the harness that `MODULE:NAME` names.

    Raises:
        LookupError: nothing was run.
    """
    found = run(target, parts=parts, select=selection)
    _leave_out_of_garbage()
    results = found.results()
    if not (results or found.broken):
        raise LookupError(f"-k {selection!r} runs nothing of the kit: {pytest.ExitCode(found.ended).name}")
    return Verdict(
        {result.test: result.reason for result in results if result.outcome == "failed"},
        [result.test for result in results if result.outcome == "passed"],
        found.warnings,
        found.broken,
    )


@cache
def _leave_out_of_garbage() -> None:
    """Let no later run look through what the first one has imported: pytest collects garbage ten times a run."""
    gc.freeze()


def search(name: str, how: Search) -> str:
    """What the machine alone, or histories alone, say about a mutant; empty if they find nothing."""
    harness_type = MUTANTS[name].harness_type
    try:
        if how is Search.MACHINE:
            run_machine(harness_type, examples=EXAMPLES, steps=STEPS, shrink=False)
        else:
            # The first is one without unique names: jobs of one name have to be looked at together, which takes longer.
            for seed in range(1, HISTORIES + 1):
                asyncio.run(check_history(harness_type, seed, CALLS))
    except Exception as error:
        # Also an error of the driver's that nobody should see.
        return f"{type(error).__name__}: {error}"
    return ""
