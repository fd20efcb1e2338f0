"""Steps under limits of lanes: what they start from, and how each is asked for."""

from datetime import timedelta

from jobsvalkey.contract import (
    Claim,
    Finish,
    JobCleanup,
    JobStatus,
    LaneLimit,
    Release,
    Settlement,
    SettleOutcome,
)
from jobsvalkey.valkey import ValkeyJobQueue, scripting
from tests.support.asking import Ask, Step, in_turn, pushing_to_a_line
from tests.support.pushes import STORED
from tests.support.scenes import Scene, laned

SETTLED = [SettleOutcome.SETTLED]
ONE = LaneLimit(concurrency=1)


async def limited(driver: ValkeyJobQueue) -> Scene:
    """Three jobs wait in two lanes, in each of which one runs at a time."""
    scene = await laned(driver)
    await driver.set_lane_limit("*", ONE)
    return scene


async def full(driver: ValkeyJobQueue) -> Scene:
    """The worker has claimed one of each lane."""
    scene = await limited(driver)
    scene.claims = (await driver.exchange("worker", 1, (), 9)).claims
    assert len(scene.claims) == 2
    return scene


async def full_and_orphaned(driver: ValkeyJobQueue) -> Scene:
    """The lock of the worker has run out."""
    scene = await full(driver)
    await driver.renew("worker", timedelta(0))
    return scene


async def lowered(driver: ValkeyJobQueue) -> Scene:
    """Two jobs of a lane run, which is one too many; nobody has looked at its lines since."""
    scene = await laned(driver)
    scene.claims = (await driver.exchange("worker", 1, (), 2)).claims
    await driver.set_lane_limit("a", ONE)
    return scene


def _setting(pattern: str, limit: LaneLimit | None) -> Ask:
    async def ask(driver: ValkeyJobQueue, scene: Scene) -> None:
        await driver.set_lane_limit(pattern, limit)

    return ask


def _settling(settle: type[Finish | Release]) -> Ask:
    async def ask(driver: ValkeyJobQueue, scene: Scene) -> list[SettleOutcome]:
        claim: Claim = scene.claims[0]
        settlement: Settlement = settle(claim.job_id, claim.token)
        return (await driver.exchange("worker", 3, [settlement])).outcomes

    return ask


async def _claiming(driver: ValkeyJobQueue, scene: Scene) -> list[int]:
    return [scene.ids.index(claim.job_id) for claim in (await driver.exchange("worker", 3, (), 9)).claims]


async def _limits(driver: ValkeyJobQueue, scene: Scene) -> dict[str, LaneLimit]:
    return await driver.lane_limits()


async def _lanes(driver: ValkeyJobQueue, scene: Scene) -> list[tuple[str, int, int | None]]:
    return [(lane.name, lane.pending, lane.running) for lane in (await driver.lanes()).lanes]


LIMIT_STEPS: dict[str, Step] = {
    "set_lane_limit": Step(scripting.SET_LANE_LIMIT, laned, _setting("*", ONE), None, in_turn, [0, 2]),
    "limit of one lane": Step(scripting.SET_LANE_LIMIT, laned, _setting("a", ONE), None, in_turn, [0, 2]),
    "limit that is raised": Step(scripting.SET_LANE_LIMIT, full, _setting("*", LaneLimit(2)), None, in_turn, [1]),
    "limit that is removed": Step(scripting.SET_LANE_LIMIT, full, _setting("*", None), None, in_turn, [1]),
    "lane_limits": Step(scripting.LANE_LIMITS, limited, _limits, {"*": ONE}, _limits, {"*": ONE}),
    "lanes": Step(scripting.LANES, full, _lanes, [("a", 1, 1), ("b", 0, 1)], _lanes, [("a", 1, 1), ("b", 0, 1)]),
    "claim under a limit": Step(scripting.EXCHANGE, limited, _claiming, [0, 2], _lanes, [("a", 1, 1), ("b", 0, 1)]),
    "claim in full lanes": Step(scripting.EXCHANGE, full, _claiming, [], _lanes, [("a", 1, 1), ("b", 0, 1)]),
    "claim under a lower limit": Step(scripting.EXCHANGE, lowered, _claiming, [2], _lanes, [("a", 0, 2)]),
    "push to a full lane": Step(scripting.PUSH, full, pushing_to_a_line, [STORED], _lanes, [("a", 2, 1), ("b", 0, 1)]),
    "finish in a full lane": Step(scripting.EXCHANGE, full, _settling(Finish), SETTLED, in_turn, [1]),
    "release in a full lane": Step(scripting.EXCHANGE, full, _settling(Release), SETTLED, in_turn, [0]),
    "close_worker with full lanes": Step(
        scripting.CLOSE_WORKER, full, lambda d, _: d.close_worker("worker"), None, in_turn, [0, 2]
    ),
    "recover in full lanes": Step(scripting.RECOVER, full_and_orphaned, lambda d, _: d.recover(), 2, in_turn, [0, 2]),
    "cleanup in full lanes": Step(
        scripting.CLEANUP,
        full,
        lambda d, _: d.cleanup_step(JobStatus.PROCESSING, JobCleanup.remove(), max_jobs=2),
        2,
        in_turn,
        [1],
    ),
}
