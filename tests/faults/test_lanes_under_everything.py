"""Lanes with limits, whatever happens to their jobs: no slot is lost or gained, and nothing waits that may run."""

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest
from jobsvalkey_conformance import DriverHarness
from jobsvalkey_conformance.harness import AnyDriver

from jobsvalkey.contract import DriverConfiguration, StoredJob
from jobsvalkey.valkey import scripting
from jobsvalkey.valkey.scripting import Script
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from jobsvalkey_memory.lanes import Lanes
from tests.support.harnesses import MemoryHarness, ValkeyHarness
from tests.support.lane_lives import LaneLives
from tests.support.retention import KEEP_ALL
from tests.support.servers import Server

STEPS = 120


@pytest.fixture(params=["twin", "valkey"])
def new_harness(request: pytest.FixtureRequest, default_server: Server) -> Callable[[], DriverHarness]:
    class Harness(ValkeyHarness):
        server = default_server

    return MemoryHarness if request.param == "twin" else Harness


SLOTS: dict[str, tuple[Script, str, str]] = {
    "an abort": (
        scripting.EXCHANGE,
        "if lane and lane ~= '' then add_to_lane(lanes, lane, id) end\n          if is_fielded_one",
        "if not is_aborted and lane and lane ~= '' then add_to_lane(lanes, lane, id) end\n          if is_fielded_one",
    ),
    "a recovery": (scripting.RECOVER, "if unclaim(ids, worker) then wake() end", "unclaim(ids, worker, {})"),
    "a rerun": (
        scripting.CLEANUP,
        "if unclaim({ id }, worker) then wake() end",
        "if unclaim({ id }, worker, wanted == 'processing' and action == 'rerun' and {} or nil) then wake() end",
    ),
}
"""A script, a line of it, and the same so that it keeps the slot."""


def test_the_lines_that_are_replaced_are_there_once() -> None:
    assert [script.text.count(line) for script, line, _ in SLOTS.values()] == [1] * len(SLOTS)


@pytest.mark.slow
@pytest.mark.parametrize("what", SLOTS)
async def test_a_script_that_keeps_a_slot_is_found(
    what: str, default_server: Server, queue_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Harness(ValkeyHarness):
        server = default_server

    script, line, replaced = SLOTS[what]
    text = script.text.replace(line, replaced)
    monkeypatch.setitem(vars(script), "digest", hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    monkeypatch.setitem(vars(script), "text", text)
    with pytest.raises(AssertionError, match="after "):
        await live_often(Harness, queue_key, range(20))


@pytest.mark.parametrize("step", ["exchange", "recover", "cleanup_step"])
async def test_a_twin_that_keeps_a_slot_is_found(step: str, queue_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = getattr(MemoryJobQueue, step)

    async def keeping(driver: MemoryJobQueue[Any], *args: Any, **kwargs: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Lanes, "stopped", _keep)
            return await made(driver, *args, **kwargs)

    monkeypatch.setattr(MemoryJobQueue, step, keeping)
    with pytest.raises(AssertionError, match="after "):
        await live_often(MemoryHarness, queue_key, range(20))


def _keep(_lanes: Lanes, _job: StoredJob) -> bool:
    return False


async def live(new_harness: Callable[[], DriverHarness], queue_key: str, seed: int, steps: int) -> LaneLives:
    harness = new_harness()
    await harness.start()
    try:
        configuration = DriverConfiguration(queue_key=f"{queue_key}-{seed}", retention_policy=KEEP_ALL)
        async with harness.make_driver(configuration, ManualClock()) as driver:
            lives = LaneLives(harness, cast(AnyDriver, driver), configuration, seed)
            await lives.live(steps)
            return lives
    finally:
        await harness.stop()


async def live_often(
    new_harness: Callable[[], DriverHarness], queue_key: str, seeds: range, steps: int = STEPS
) -> Counter[str]:
    """How often each step was made."""
    return sum([(await live(new_harness, queue_key, seed, steps)).done for seed in seeds], Counter[str]())


async def test_no_slot_is_lost_and_nothing_waits_that_may_run(
    new_harness: Callable[[], DriverHarness], queue_key: str
) -> None:
    """Kills, stalls, aborts, pauses, cleanups, reruns, cancels, lost replies and new limits, between any two steps."""
    seeds = range(30) if new_harness is MemoryHarness else range(30, 32)
    done = await live_often(new_harness, queue_key, seeds)
    assert done.total() == len(seeds) * STEPS


@pytest.mark.slow
async def test_of_many_lives_of_lanes_none_loses_a_slot(
    new_harness: Callable[[], DriverHarness], queue_key: str
) -> None:
    seeds = range(100, 150) if new_harness is MemoryHarness else range(150, 154)
    done = await live_often(new_harness, queue_key, seeds, 2 * STEPS)
    assert min(done.values()) > 3 * len(seeds), "some steps are hardly made"


@pytest.mark.night
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(200, 1200, 50))
async def test_of_very_many_lives_of_lanes_none_loses_a_slot(
    new_harness: Callable[[], DriverHarness], queue_key: str, first: int
) -> None:
    """Fifty at a time: on Valkey, a life takes seconds."""
    await live_often(new_harness, queue_key, range(first, first + 50), 2 * STEPS)
