"""For drivers of our own no test of the suite may be left out, but for what a class allows."""

import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from jobsvalkey_conformance.case import Case, Suite
from jobsvalkey_conformance.marks import NOT_RUN
from jobsvalkey_conformance.settings import TEST_SECONDS

MEMORY = Path("/dev/shm")  # noqa: S108


@pytest.fixture(autouse=True)
def files_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the files of a driver in memory, if the system has a place for that: a disk takes most of the time."""
    if os.access(MEMORY, os.W_OK):
        monkeypatch.setattr(tempfile, "tempdir", str(MEMORY))


@pytest.fixture(autouse=True)
def time_of_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test take long before it counts as hanging: these drivers do not, and the machine may have much to do."""
    monkeypatch.setenv(TEST_SECONDS, "240")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of times too long to wait for, where the point is to wait, and put some off to a long run."""
    long = [item for item in items if _waits_in_vain(item)]
    left_out = set(long)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=long)
    for item in items:
        areas: tuple[str, ...] | None = getattr(getattr(item, "cls", None), "by_day", None)
        if areas is not None and not item.name.startswith(tuple(f"test_{area}_" for area in areas)):
            item.add_marker(pytest.mark.night)
        slow: tuple[str, ...] = getattr(getattr(item, "cls", None), "slow_areas", ())
        if item.name.startswith(tuple(f"test_{area}_" for area in slow)):
            item.add_marker(pytest.mark.slow)


def _waits_in_vain(item: pytest.Item) -> bool:
    case: Case | None = getattr(getattr(item, "obj", None), "conformance_case", None)
    suite: type[Suite] | None = getattr(item, "cls", None)
    return case is not None and suite is not None and case.driven_clock and not suite.harness_type.drives_clock


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that was not run, unless its class allows what is missing."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and NOT_RUN in report.longrepr[2]:
        allowed = getattr(getattr(item, "cls", None), "may_lack", frozenset[str]())
        if not any(f" {what}" in report.longrepr[2] for what in allowed):
            report.outcome = "failed"
            report.longrepr = f"{report.longrepr[2]}: not allowed for a driver of ours"
    return report
