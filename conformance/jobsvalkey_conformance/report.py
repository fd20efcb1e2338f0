"""The results of a run, by capability."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pytest

from jobsvalkey.contract import Capability
from jobsvalkey_conformance.marks import NO_OWN_CLOCK, NOT_RUN, about
from jobsvalkey_conformance.sentences import sentences_of

TestOutcome = Literal["passed", "failed", "not run"]
OUTCOMES: tuple[TestOutcome, ...] = ("passed", "failed", "not run")


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one test."""

    test: str
    subject: str
    """The test class and its harness."""
    capability: Capability
    area: str
    outcome: TestOutcome
    reason: str = ""
    """Why it was not run, or how it failed."""
    broken: list[str] = field(default_factory=list[str])
    """The sentences of the contract that a test that failed is about."""

    @classmethod
    def of(cls, report: pytest.TestReport, text: str) -> "Result":
        """The result that a report stands for."""
        capability, area, subject = text.split(" ", 2)
        outcome: TestOutcome = "failed" if report.failed else "not run" if report.skipped else "passed"
        reason = ""
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ").removeprefix(NOT_RUN)
        elif report.failed:
            reason = report.longreprtext
        test = report.nodeid.rpartition("::")[2]
        broken = sentences_of(test) if report.failed else []
        return cls(test, subject, Capability(capability), area, outcome, reason, broken)


def results_of(stats: Mapping[str, Iterable[Any]]) -> dict[str, list[Result]]:
    """The results of a run by subject, from the reports that pytest's terminal reporter has counted."""
    found: dict[str, dict[str, Result]] = {}
    # A test that passes and then fails to end has two reports: the later one counts.
    for category in ("passed", "skipped", "failed", "error"):
        for report in stats.get(category, ()):
            if text := about(report):
                result = Result.of(report, text)
                found.setdefault(result.subject, {})[result.test] = result
    return {subject: list(results.values()) for subject, results in sorted(found.items())}


def table(results: Iterable[Result]) -> list[str]:
    """Lines: a row for each capability, the sum, and why tests were not run."""
    results = list(results)
    counts = Counter((result.capability, result.outcome) for result in results)
    rows = [(str(capability), [counts[capability, outcome] for outcome in OUTCOMES]) for capability in Capability]
    rows.append(("all", [sum(row[1][column] for row in rows) for column in range(len(OUTCOMES))]))
    lines = [f"{'capability':<12}" + "".join(f"{outcome:>9}" for outcome in OUTCOMES)]
    lines += [f"{name:<12}" + "".join(f"{number:>9}" for number in numbers) for name, numbers in rows if any(numbers)]
    reasons = Counter(result.reason for result in results if result.outcome == "not run")
    lines += [f"{NOT_RUN}{reason} ({number})" for reason, number in sorted(reasons.items())]
    return lines


def left_open(results: Iterable[Result]) -> str | None:
    """Say what a run must not be silent about; `None` if there is nothing."""
    if any(result.reason == NO_OWN_CLOCK for result in results):
        return "not run on the store's own clock: nothing here shows what the driver does in production"
    return None


def summary(results: Iterable[Result]) -> dict[str, Any]:
    """The same for programs: numbers by capability, and every result."""
    results = list(results)
    counts = Counter((result.capability, result.outcome) for result in results)
    return {
        "capabilities": {
            str(capability): {outcome: counts[capability, outcome] for outcome in OUTCOMES}
            for capability in Capability
            if any(counts[capability, outcome] for outcome in OUTCOMES)
        },
        "results": [asdict(result) for result in results],
    }
