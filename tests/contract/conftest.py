"""A store of each of our own drivers, for which no test of the suite may be left out, but for what a class allows."""

from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack

import pytest
from jobsvalkey_conformance.case import Case, Suite
from jobsvalkey_conformance.report import NOT_RUN

from tests.conftest import Servers
from tests.contract.every_driver import EVERY_DRIVER, Store, harness_of


@pytest.fixture(params=EVERY_DRIVER)
async def store(request: pytest.FixtureRequest, shared_servers: Servers, queue_key: str) -> AsyncIterator[Store]:
    """A store of each of our drivers in turn. Tests may choose some of them by an indirect parameter."""
    harness = harness_of(request.param, shared_servers)
    await harness.start()
    try:
        async with AsyncExitStack() as drivers:
            yield Store(harness, queue_key, drivers)
    finally:
        await harness.stop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of times too long to wait for, where the point is to wait."""
    long = [item for item in items if _waits_in_vain(item)]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


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
