"""Processes that run the kit on mutants, and a table of the tests that killed them."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from typing import Any

import pytest
from jobsvalkey_conformance import DriverConformance

from tests.mutants import runs
from tests.mutants.catalogue import __name__ as catalogue
from tests.mutants.mutant import Mutant, Search
from tests.support.servers import ServerOptions, local_kind

KILLED = "killed by"
"""The property of a report that says which mutant was killed, and by what."""


@cache
def parts_of(area: str) -> tuple[str, ...]:
    """The classes that have the tests of an area."""
    return tuple(
        f"{part.__module__}:{part.__name__}"
        for part in DriverConformance.__mro__
        if any(name.startswith(f"test_{area}_") for name in vars(part))
    )


class Jury:
    """Asks the processes for verdicts, all at once: the first test that waits for one has the others under way."""

    def __init__(self, processes: ProcessPoolExecutor) -> None:
        self._processes = processes
        self._verdicts: dict[tuple[str, str], Future[runs.Verdict]] = {}
        self._findings: dict[tuple[str, Search], Future[str]] = {}

    def judge(self, target: str, selection: str, parts: Sequence[str] = (runs.WHOLE,)) -> Future[runs.Verdict]:
        """What a part of the kit says about the harness that `MODULE:NAME` names."""
        asked = (target, selection)
        if asked not in self._verdicts:
            self._verdicts[asked] = self._processes.submit(runs.judge, target, selection, parts)
        return self._verdicts[asked]

    def verdict(self, mutant: Mutant) -> Future[runs.Verdict]:
        """What its area says about a mutant."""
        return self.judge(f"{catalogue}:{mutant.name}", mutant.selection, parts_of(mutant.area))

    def finding(self, mutant: Mutant, how: Search) -> Future[str]:
        """What a search finds in a mutant."""
        asked = (mutant.name, how)
        if asked not in self._findings:
            self._findings[asked] = self._processes.submit(runs.search, mutant.name, how)
        return self._findings[asked]


@pytest.fixture(scope="session")
def jury(request: pytest.FixtureRequest) -> Iterator[Jury]:
    """Two processes, or one beside each process of a spread run, and a server for the mutants that need one."""
    spawn = multiprocessing.get_context("spawn")
    alone = not hasattr(request.config, "workerinput")
    with (
        local_kind().make(ServerOptions()) as server,
        ProcessPoolExecutor(
            2 if alone else 1, mp_context=spawn, initializer=runs.prepare, initargs=(server.url,)
        ) as processes,
    ):
        jury = Jury(processes)
        for item in request.session.items if alone else ():
            arguments: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
            match arguments:
                case {"mutant": Mutant() as mutant, "how": Search() as how}:
                    jury.finding(mutant, how)
                case {"mutant": Mutant() as mutant}:
                    jury.verdict(mutant)
                case _:
                    pass
        try:
            yield jury
        finally:
            processes.shutdown(cancel_futures=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print which test killed which mutant."""
    killed = [
        text
        for report in terminalreporter.stats.get("passed", [])
        for name, text in report.user_properties
        if name == KILLED and report.when == "call"
    ]
    if killed:
        terminalreporter.section(f"{len({line.split()[0] for line in killed})} mutants killed")
        terminalreporter.write_line("\n".join(killed))
