"""The targets of the fuzzers, held against Hypothesis by day, and against the corpus that the fuzzers have left."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzzing.corpus import read
from tests.fuzzing.targets import TARGETS

EXAMPLES = {"command_line": 40}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_nothing_is_found_in_any_bytes(target: Callable[[bytes], None]) -> None:
    @settings(max_examples=EXAMPLES.get(target.__name__, 200))
    @given(st.binary(max_size=300))
    def check(data: bytes) -> None:
        target(data)

    check()


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found_in_the_corpus(target: str) -> None:
    inputs = read(target)
    assert len(inputs) >= 5
    for data in inputs:
        TARGETS[target](data)
