"""One side of one peer, in a process of its own: `python -m tests.benchmarks.peers SIDE PEER URL JOURNAL FIRST COUNT`.

A library may start threads, fork, set up logging, hang or die: nobody else is disturbed. A worker has so many jobs at
once; the others do so many jobs, from a number on, as soon as they are told to, by a line of input.
"""

import asyncio
import faulthandler
import importlib
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from tests.benchmarks.peers import task
from tests.benchmarks.peers.all import peer_named
from tests.benchmarks.peers.journal import Journal
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.plan import LIMIT, LONG_LIMIT, REST, THREADS, UVLOOP, WARM, Side

GLANCE = 0.001
"""Seconds between two looks for whether a job has started. Its start is noted by its worker."""


async def push(peer: Peer, numbers: Sequence[int], *, at_once: bool) -> float:
    """Push jobs one by one, or in the fastest way there is; how many a second. The first few are not measured."""
    async with peer.open():
        for number in numbers[:WARM]:
            await peer.push(number)
        _wait_for_go()
        begun = time.monotonic()
        if at_once:
            await peer.push_all(numbers[WARM:])
        else:
            for number in numbers[WARM:]:
                await peer.push(number)
        return (len(numbers) - WARM) / (time.monotonic() - begun)


def push_from_threads(peer: Peer, numbers: Sequence[int], threads: int) -> float:
    """Push jobs from threads, one by one in each; how many a second. The first few are not measured."""
    with peer.blocking() as push, ThreadPoolExecutor(threads) as pool:

        def push_part(first: int) -> None:
            for number in numbers[WARM + first :: threads]:
                push(number)

        for number in numbers[:WARM]:
            push(number)
        _wait_for_go()
        begun = time.monotonic()
        list(pool.map(push_part, range(threads)))
        return (len(numbers) - WARM) / (time.monotonic() - begun)


async def fill(peer: Peer, number: int, count: int) -> int:
    """Add other jobs to a queue."""
    async with peer.open():
        await cast(Any, peer).fill(number, count)
    return count


async def latency(peer: Peer, numbers: Sequence[int], journal: Journal) -> list[float]:
    """Seconds from the call of push to the start of the job, each on an idle worker.

    The rests are uneven, so as to meet a worker that polls anywhere in its pause; they are the same for all peers.
    """
    rests = random.Random(0)
    found: list[float] = []
    async with peer.open():
        for number in numbers:
            await asyncio.sleep(rests.uniform(*REST))
            pushed = time.monotonic()
            await peer.push(number)
            while not journal.started(number):  # noqa: ASYNC110 - the worker is another process
                await asyncio.sleep(GLANCE)
            found.append(journal.started(number) - pushed)
    return found[1:]  # the first one opened the connection


def _wait_for_go() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main(side: Side, name: str, url: str, path: str, first: int, count: int) -> None:
    """Do one side's part; what was measured goes to standard output."""
    # It ends by itself, if who started it has died: a worker sees two parts, none of which takes longer than the limit.
    faulthandler.dump_traceback_later(LONG_LIMIT if side is Side.FILL else 3 * LIMIT, exit=True)
    if UVLOOP in os.environ:
        importlib.import_module("uvloop").install()
    peer, journal, numbers = peer_named(name)(url), Journal(Path(path)), range(first, first + count)
    match side:
        case Side.PUSH | Side.BULK:
            answer = asyncio.run(push(peer, numbers, at_once=side is Side.BULK))
        case Side.THREAD | Side.THREADS:
            answer = push_from_threads(peer, numbers, THREADS if side is Side.THREADS else 1)
        case Side.FILL:
            _wait_for_go()
            answer = asyncio.run(fill(peer, first, count))
        case Side.LATENCY:
            _wait_for_go()
            answer = asyncio.run(latency(peer, numbers, journal))
        case Side.WORK:
            task.journal = journal
            return peer.work(count)
    sys.stdout.write(json.dumps(answer))
    return None


if __name__ == "__main__":
    main(Side(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))
