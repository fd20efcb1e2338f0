"""The marks that a test of the suite leaves in its report. The plugin imports this in every run of pytest."""

from typing import NoReturn

import pytest

KEY = "conformance"
"""The property of a test's report that says what the test is about: capability, area, and what is held against it."""
NOT_RUN = "not run: "
"""The beginning of the reason of each test that needs something which the driver or the harness does not have."""

NO_OWN_CLOCK = "the harness has no driver on the store's own clock"
"""Why what runs in production was not run."""

ONE_LOOP = "the store belongs to one event loop"
"""Why nothing was run in threads."""


def not_run(reason: str) -> NoReturn:
    """End the test as not run."""
    pytest.skip(NOT_RUN + reason)


def about(report: object) -> str | None:
    """Return what the test of a report is about; `None` if it is not the report of a test of the suite."""
    properties: list[tuple[str, str]] = getattr(report, "user_properties", [])
    return next((text for key, text in properties if key == KEY), None)
