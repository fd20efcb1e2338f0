"""For our own drivers no test of the suite may be left out, but for what their class allows."""

from collections.abc import Generator

import pytest
from jobsvalkey_conformance.report import NOT_RUN


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
