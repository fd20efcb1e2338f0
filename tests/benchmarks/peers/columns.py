"""What is measured of each queue."""

import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from tests.benchmarks.peers.all import MODULES, peer_named
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.plan import LIMIT, LONG_LIMIT, WARM, Side, Size
from tests.benchmarks.peers.sides import PeerFailed, Scene
from tests.benchmarks.peers.situations import SITUATIONS, FullQueue

Sample = Mapping[str, float | list[float]]
"""`rate`, in jobs a second, with `server_us`, `commands` and `bytes` for each job, or `waits`, in seconds."""

GLANCE: Final = 0.001
"""Seconds between two looks for whether a process that starts has run a job."""
LEAST: Final = 10
"""Jobs that have to run for a rate to be one."""


def pushes(scene: Scene, side: Side, count: int) -> Sample:
    """Push jobs, each awaited before the next one, from an event loop or from threads."""
    rate, cost = scene.ask(side, 0, WARM + count)
    return {"rate": rate, **cost}


def bulk(scene: Scene, size: Size) -> Sample:
    """Push jobs in the fastest way that the library offers to one process."""
    return pushes(scene, Side.BULK, size.bulk * peer_named(scene.name).quick)


def drain(scene: Scene, size: Size, at_once: int, processes: int = 1) -> Sample:
    """Run the jobs of a full queue: from the start of the first one to that of the last.

    How long a library takes to start is left out. After two seconds what has run is enough.
    """
    jobs = size.drained * peer_named(scene.name).quick
    scene.ask(Side.BULK, 0, jobs)
    return _drained(scene, jobs, at_once, processes)


def _drained(scene: Scene, jobs: int, at_once: int, processes: int = 1) -> dict[str, float]:
    before = scene.server.spent()
    with ExitStack() as stack:
        workers = [stack.enter_context(scene.process(Side.WORK, 0, at_once)) for _ in range(processes)]
        started = scene.until_run(jobs, workers[0])
        after = scene.server.spent()
    if len(started) < min(jobs, LEAST):
        raise PeerFailed(f"{len(started)} of {jobs:,} jobs ran")
    cost = {figure: (after[figure] - before[figure]) / len(started) for figure in after}
    return {"rate": (len(started) - 1) / max(max(started) - min(started), 1e-6), **cost}


def start(scene: Scene, size: Size) -> Sample:
    """Push jobs to an idle worker, with rests between: from the call of push to the start of the job."""
    with scene.process(Side.WORK, 0, 16):
        waits, cost = scene.ask(Side.LATENCY, 0, size.sampled + 1)
    return {"waits": waits, **cost}


def first_claim(scene: Scene, size: Size) -> Sample:
    """Start a worker when a job is there: from the start of its process to that of the job."""
    waits: list[float] = []
    for _ in range(size.started):
        scene.server.empty()
        scene.journal.forget()
        scene.ask(Side.PUSH, 0, 1)
        begun = time.monotonic()
        with scene.process(Side.WORK, 0, 16) as worker:
            while not (started := scene.journal.started(0)):
                worker.check("its worker ended without a job")
                if time.monotonic() > begun + LIMIT:
                    raise PeerFailed(f"no job ran in {LIMIT:g} s: {worker.last_line()}")
                time.sleep(GLANCE)
        waits.append(started - begun)
    return {"waits": waits}


def help_of_command(scene: Scene, size: Size) -> Sample:
    """Ask the command line of a library for its help."""
    command, waits = scene.interpreter.with_name(peer_named(scene.name).command), list[float]()
    for _ in range(size.started):
        begun = time.monotonic()
        done = subprocess.run([command, "--help"], check=False, capture_output=True, timeout=LIMIT)
        waits.append(time.monotonic() - begun)
        if done.returncode:
            raise PeerFailed(f"{command.name} --help ended with {done.returncode}")
    return {"waits": waits}


def situation(scene: Scene, size: Size) -> Sample:
    """Push jobs in bulk, and drain them with 100 workers, in a situation of ours."""
    jobs = size.drained * peer_named(scene.name).quick
    if not issubclass(SITUATIONS[scene.name], FullQueue):
        pushed = pushes(scene, Side.BULK, jobs)
    else:
        scene.ask(Side.BULK, 0, jobs)
        scene.ask(Side.FILL, jobs, size.filled, limit=LONG_LIMIT)
        pushed = pushes(scene, Side.BULK, jobs)
    return {**{f"push_{figure}": value for figure, value in pushed.items()}, **_drained(scene, jobs, 100)}


@dataclass(frozen=True, slots=True)
class Column:
    """One thing that is measured."""

    title: str
    measure: Callable[[Scene, Size], Sample]
    rounds: int = 5
    """In how many rounds, at most: what takes long is measured less often."""
    suits: Callable[[type[Peer]], bool] = lambda _: True
    of: Callable[[], list[str]] = lambda: list(MODULES)
    """Names those of whom it is measured."""

    @property
    def names(self) -> list[str]:
        """The queues, or situations, that it is measured of."""
        return [name for name in self.of() if self.suits(peer_named(name))]


def _threads(peer: type[Peer]) -> bool:
    return peer.threads


def _in_loop(peer: type[Peer]) -> bool:
    return peer.is_async


COLUMNS: Final[Mapping[str, Column]] = {
    "push": Column("push", lambda scene, size: pushes(scene, Side.PUSH, size.one_by_one)),
    "bulk": Column("bulk push", bulk),
    "drain_16": Column("drain of 16", lambda scene, size: drain(scene, size, 16)),
    "drain_100": Column("drain", lambda scene, size: drain(scene, size, 100)),
    "start": Column("push to start", start),
    "push_thread": Column(
        "push of a thread", lambda scene, size: pushes(scene, Side.THREAD, size.one_by_one), suits=_threads
    ),
    "push_threads": Column(
        "push of 8 threads", lambda scene, size: pushes(scene, Side.THREADS, size.one_by_one), suits=_threads
    ),
    "situation": Column("situations", situation, rounds=3, of=lambda: list(SITUATIONS)),
    "drain_2_processes": Column(
        "drain of 2 processes", lambda scene, size: drain(scene, size, 100, processes=2), rounds=3
    ),
    "drain_4_processes": Column(
        "drain of 4 processes", lambda scene, size: drain(scene, size, 100, processes=4), rounds=3
    ),
    "push_uvloop": Column(
        "push on uvloop",
        lambda scene, size: pushes(replace(scene, on_uvloop=True), Side.PUSH, size.one_by_one),
        rounds=3,
        suits=_in_loop,
    ),
    "drain_uvloop": Column(
        "drain on uvloop",
        lambda scene, size: drain(replace(scene, on_uvloop=True), size, 100),
        rounds=3,
        suits=_in_loop,
    ),
    "first_claim": Column("start of a worker", first_claim, rounds=3),
    "help": Column("help", help_of_command, rounds=3),
}
