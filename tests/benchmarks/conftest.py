"""Benchmarks need a quiet machine: they run when they are asked for, by `pytest tests/benchmarks`."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave them out of a run of all tests, but for that of the comparison's own workings."""
    asked = collection_path.name == "test_compare.py" or any(
        "benchmarks" in str(argument) for argument in config.invocation_params.args
    )
    return None if asked else True
