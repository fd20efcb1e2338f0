"""Faults of the processes that push and run jobs."""

from importlib.util import find_spec

from tests.chaos.kind import Scene, kind
from tests.chaos.roles import LOCK
from tests.chaos.stages import clock_of_its_own


@kind("a worker is killed (SIGKILL)", "its jobs run again when its lock has run out")
async def worker_killed(scene: Scene) -> None:
    for _ in range(2):
        scene.crew.kill(scene.chance.choice(scene.crew.workers))
        scene.crew.start("worker")
        await scene.pause(0.2, 0.6)


@kind(
    "a worker stands still for longer than its lock (SIGSTOP)",
    "its jobs run elsewhere; it settles none of them",
    slow=True,
)
async def worker_frozen(scene: Scene) -> None:
    frozen = scene.chance.choice(scene.crew.workers)
    scene.crew.freeze(frozen)
    lock = LOCK.hold_for.total_seconds()
    await scene.pause(lock * 0.5, lock * 2)
    scene.crew.thaw(frozen)


@kind("workers are replaced one after the other (SIGTERM)", "their jobs are run to the end, or given back", slow=True)
async def workers_replaced(scene: Scene) -> None:
    for worker in scene.crew.workers:
        scene.crew.start("worker")
        scene.crew.stop([worker])
        await scene.pause(0.1, 0.3)


@kind("a pusher is killed (SIGKILL)", "what was acknowledged is there; what was not is there once, or not at all")
async def pusher_killed(scene: Scene) -> None:
    scene.crew.kill(scene.chance.choice(scene.crew.pushers))
    scene.crew.start("pusher")


@kind(
    "the clocks of workers and pushers jump, by up to a day",
    "the server's clock counts: nothing happens",
    stage=clock_of_its_own,
    where=find_spec("libfaketime") is not None,
    slow=True,
)
async def clock_jumps(scene: Scene) -> None:
    set_clock = scene.stage.set_clock
    assert set_clock is not None
    for _ in range(3):
        set_clock(scene.chance.uniform(-86_400, 86_400))
        await scene.pause(0.2, 0.5)
    set_clock(0)
