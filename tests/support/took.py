"""A plugin that says how much processor time each area of the kit takes.

`pytest -p tests.support.took -n0 tests/contract/test_memory.py`, or `test_valkey.py -k TestOnValkey91`; the time of
servers is not in it.
"""

import time
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import pytest

_seconds: dict[str, float] = defaultdict(float)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Count the time of a test, of its fixtures too, for its area."""
    before = time.process_time()
    done = yield
    case = getattr(getattr(item, "obj", None), "conformance_case", None)
    _seconds[case.area if case is not None else "other tests"] += time.process_time() - before
    return done


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the areas, those that take most first."""
    terminalreporter.section("processor time of this process")
    terminalreporter.line(f"all, with the start of Python and the collection: {time.process_time():.1f} s")
    longest_first = sorted(_seconds.items(), key=lambda each: -each[1])
    terminalreporter.line(", ".join(f"{area} {seconds:.1f}" for area, seconds in longest_first))
