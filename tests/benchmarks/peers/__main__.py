"""One side of one peer, in a process of its own: `python -m tests.benchmarks.peers SIDE PEER URL JOURNAL`.

A library may start threads, fork, set up logging, hang or die: nobody else is disturbed.
"""

import asyncio
import faulthandler
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.peers import task
from tests.benchmarks.peers.all import PEERS
from tests.benchmarks.peers.journal import Journal
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.plan import BULK, LIMIT, ONE_BY_ONE, REST, SAMPLED, WARM, Side

GLANCE = 0.001
"""Seconds between two looks for whether a job has started. Its start is noted by its worker."""


async def push(peer: Peer) -> dict[str, float]:
    """Jobs a second, pushed one by one and in bulk. The first push, which connects, is not measured."""
    async with peer.open():
        for number in WARM:
            await peer.push(number)
        begun = time.monotonic()
        for number in ONE_BY_ONE:
            await peer.push(number)
        between = time.monotonic()
        await peer.push_all(BULK)
        ended = time.monotonic()
    return {"one_by_one": len(ONE_BY_ONE) / (between - begun), "bulk": len(BULK) / (ended - between)}


async def latency(peer: Peer, journal: Journal) -> Sequence[float]:
    """Seconds from the call of push to the start of the job, each on an idle worker.

    The rests are uneven, so as to meet a worker that polls anywhere in its pause; they are the same for all peers.
    """
    rests = random.Random(0)
    found: list[float] = []
    async with peer.open():
        for number in SAMPLED:
            await asyncio.sleep(rests.uniform(*REST))
            pushed = time.monotonic()
            await peer.push(number)
            while not journal.started(number):  # noqa: ASYNC110 - the worker is another process
                await asyncio.sleep(GLANCE)
            found.append(journal.started(number) - pushed)
    return found[1:]  # the first one opened the connection


def main(side: Side, name: str, url: str, path: str) -> None:
    """Do one side's part; what was measured goes to standard output."""
    # It ends by itself, if who started it has died: a worker sees two parts, none of which takes longer than the limit.
    faulthandler.dump_traceback_later(3 * LIMIT, exit=True)
    peer = next(each for each in PEERS if each.name == name)(url)
    journal = Journal(Path(path))
    match side:
        case Side.PUSH:
            sys.stdout.write(json.dumps(asyncio.run(push(peer))))
        case Side.LATENCY:
            sys.stdout.write(json.dumps(asyncio.run(latency(peer, journal))))
        case Side.WORK:
            task.journal = journal
            peer.work()


if __name__ == "__main__":
    main(Side(sys.argv[1]), *sys.argv[2:])
