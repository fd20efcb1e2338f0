"""Concurrent histories find bugs, say what they found, and are passed by the twin."""

import pytest
from jobsvalkey_conformance.history.area import check_history
from jobsvalkey_conformance.history.calls import Change, Exchange, Push

from jobsvalkey.contract import LaneLimit, Operation
from tests.support.broken_twins import BROKEN, CancelDeletesRunning, Twin, harness_of
from tests.support.harnesses import MemoryHarness

WITH_LIMITS = range(1, 100, 10)
"""The seeds of histories of lanes that have limits."""


async def first_failure(broken: type[Twin], seeds: range = range(20)) -> None:
    """Check histories of a broken twin until one is not right."""
    for seed in seeds:
        await check_history(harness_of(broken), seed, calls=200)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
async def test_a_bug_is_found(broken: type[Twin]) -> None:
    with pytest.raises(AssertionError) as failure:
        await first_failure(broken)
    assert "JOBSVALKEY_HISTORY_SEED=" in failure.value.__notes__[0]


class OneMoreRuns(Twin):
    """One job more than the limit runs."""

    async def set_lane_limit(
        self, pattern: str, limit: LaneLimit | None, *, operation: Operation | None = None
    ) -> None:
        limit = limit and LaneLimit(None if limit.concurrency is None else limit.concurrency + 1, limit.rate)
        await super().set_lane_limit(pattern, limit, operation=operation)


class RateForgotten(Twin):
    """A limit has no rate."""

    async def set_lane_limit(
        self, pattern: str, limit: LaneLimit | None, *, operation: Operation | None = None
    ) -> None:
        limit = limit and LaneLimit(limit.concurrency or 1_000_000)
        await super().set_lane_limit(pattern, limit, operation=operation)


@pytest.mark.parametrize(("broken", "what"), [(OneMoreRuns, "are held"), (RateForgotten, "begin within")])
async def test_limits_that_are_not_kept_are_found(broken: type[Twin], what: str) -> None:
    with pytest.raises(AssertionError, match=f"jobs of lane . {what} .*, of which [12] may"):
        await first_failure(broken, WITH_LIMITS)


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
