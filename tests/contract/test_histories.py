"""Concurrent histories find bugs, say what they found, and are passed by the twin."""

import pytest
from jobsvalkey_conformance.history.area import check_history
from jobsvalkey_conformance.history.calls import Change, Exchange, Push

from tests.support.broken_twins import BROKEN, CancelDeletesRunning, Twin, harness_of
from tests.support.harnesses import MemoryHarness


async def first_failure(broken: type[Twin]) -> None:
    """Check histories of a broken twin until one is not right."""
    for seed in range(20):
        await check_history(harness_of(broken), seed, calls=200)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
async def test_a_bug_is_found(broken: type[Twin]) -> None:
    with pytest.raises(AssertionError) as failure:
        await first_failure(broken)
    assert "JOBSVALKEY_HISTORY_SEED=" in failure.value.__notes__[0]


async def test_a_seed_gives_the_same_history_again() -> None:
    one, other = [await check_history(MemoryHarness, 7, calls=100) for _ in range(2)]
    assert [str(event) for event in one.events] == [str(event) for event in other.events]


async def test_clients_overlap_and_lose_answers() -> None:
    history = await check_history(MemoryHarness, 7, calls=200)
    overlapping = sum(
        one.began < other.began < (one.answered or 0)
        for one in history.events
        for other in history.events
        if isinstance(one.call, Push | Exchange | Change) and one.client != other.client
    )
    assert overlapping > 200
    assert any(event.answered is None for event in history.events)


async def test_the_shortest_explanation_is_short() -> None:
    with pytest.raises(AssertionError, match="cannot be explained") as failure:
        await first_failure(CancelDeletesRunning)
    explanation = str(failure.value).partition("cannot be explained, shortest part:\n")[2]
    lines = explanation.splitlines()
    steps = lines[: next((at for at, line in enumerate(lines) if not line.startswith("  [")), None)]
    assert 1 <= len(steps) <= 5


@pytest.mark.night
@pytest.mark.timeout(600)
async def test_the_twin_passes_two_hundred_histories() -> None:
    for seed in range(200):
        await check_history(MemoryHarness, seed, calls=500)
