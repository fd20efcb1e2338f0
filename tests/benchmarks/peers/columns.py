"""What is measured of each queue."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.peers.plan import WARM, Side, Size
from tests.benchmarks.peers.sides import Scene

Sample = Mapping[str, float | list[float]]
"""`rate`, in jobs a second, with `server_us`, `commands` and `bytes` for each job, or `waits`, in seconds."""


def one_by_one(scene: Scene, size: Size) -> Sample:
    """Push jobs, each awaited before the next."""
    rate, cost = scene.ask(Side.PUSH, 0, WARM + size.one_by_one)
    return {"rate": rate, **cost}


def bulk(scene: Scene, size: Size) -> Sample:
    """Push jobs in the fastest way that the library offers to one process."""
    rate, cost = scene.ask(Side.BULK, 0, WARM + size.bulk)
    return {"rate": rate, **cost}


def drain(scene: Scene, size: Size, at_once: int, processes: int = 1) -> Sample:
    """Run all jobs of a full queue: from the start of the first one to that of the last.

    How long a library takes to start is left out.
    """
    scene.ask(Side.BULK, 0, size.drained)
    before = scene.server.spent()
    with ExitStack() as stack:
        workers = [stack.enter_context(scene.process(Side.WORK, 0, at_once)) for _ in range(processes)]
        started = scene.until_run(size.drained, workers[0])
        after = scene.server.spent()
    cost = {figure: (after[figure] - before[figure]) / size.drained for figure in after}
    return {"rate": (size.drained - 1) / max(max(started) - min(started), 1e-6), **cost}


def start(scene: Scene, size: Size) -> Sample:
    """Push jobs to an idle worker, with rests between: from the call of push to the start of the job."""
    with scene.process(Side.WORK, 0, 16):
        waits, cost = scene.ask(Side.LATENCY, 0, size.sampled + 1)
    return {"waits": waits, **cost}


@dataclass(frozen=True, slots=True)
class Column:
    """One thing that is measured."""

    title: str
    measure: Callable[[Scene, Size], Sample]


COLUMNS: Final[Mapping[str, Column]] = {
    "push": Column("push", one_by_one),
    "bulk": Column("bulk push", bulk),
    "drain_16": Column("drain of 16", lambda scene, size: drain(scene, size, 16)),
    "drain_100": Column("drain", lambda scene, size: drain(scene, size, 100)),
    "drain_2_processes": Column("drain of 2 processes", lambda scene, size: drain(scene, size, 100, processes=2)),
    "drain_4_processes": Column("drain of 4 processes", lambda scene, size: drain(scene, size, 100, processes=4)),
    "start": Column("push to start", start),
}
