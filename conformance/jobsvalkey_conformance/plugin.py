"""The pytest plugin: a table by capability at the end of a run that held a driver against the suite.

It is loaded in every run of pytest. In those without a `DriverConformance` it does nothing, and imports nothing.
"""

from collections.abc import Generator
from importlib.metadata import version
from inspect import getdoc
from typing import TYPE_CHECKING, Any

import pytest

from jobsvalkey_conformance.marks import KEY, about

if TYPE_CHECKING:
    from jobsvalkey_conformance.case import Case

# The areas are read when a test module imports the suite, which is later than this.
pytest.register_assert_rewrite("jobsvalkey_conformance.areas", "jobsvalkey_conformance.context")


def _case(item: pytest.Item) -> "Case | None":
    return getattr(getattr(item, "obj", None), "conformance_case", None)


def _subject(item: pytest.Item) -> str:
    cls: Any = getattr(item, "cls", None)
    return f"{cls.__name__} ({cls.harness_type.__name__})"


def pytest_report_collectionfinish(items: list[pytest.Item]) -> list[str]:
    """Name the suite and what it is held against."""
    subjects = sorted({_subject(item) for item in items if _case(item) is not None})
    return [f"conformance suite {version('jobsvalkey')}: {', '.join(subjects)}"] if subjects else []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Interrupt a test that hangs, or its end."""
    if _case(item) is None:
        return (yield)
    from jobsvalkey_conformance.limit import interrupting

    with interrupting():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note in the report what the test is about; it travels with the report, also between processes."""
    report = yield
    case = _case(item)
    if case is not None:
        report.user_properties.append((KEY, f"{case.capability} {case.area} {_subject(item)}"))
        if report.failed:
            from jobsvalkey_conformance.sentences import sentences_of

            if sentences := sentences_of(item.name):
                report.sections.append(("Sentences of the contract", "\n".join(sentences) + "\n"))
            else:
                report.sections.append(("The test", f"{getdoc(getattr(item, 'obj', None))}\n"))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a table for each driver."""
    if not any(about(report) for reports in terminalreporter.stats.values() for report in reports):
        return
    from jobsvalkey_conformance.report import left_open, results_of, table

    for subject, results in results_of(terminalreporter.stats).items():
        terminalreporter.section(f"conformance suite {version('jobsvalkey')}: {subject}")
        for line in table(results):
            terminalreporter.line(line)
        if warning := left_open(results):
            terminalreporter.line(warning, red=True)
