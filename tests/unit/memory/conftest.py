import pytest

from tests.unit.memory.bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()
