"""Many failovers and moved slots under load: `python -m tests.topologies.failovers RESULTS.jsonl [RUNS]`.

Each run is a line of the file, with date and machine. Runs that are there already are not made again, so that it can
be stopped at any time. At the end the figures of all runs in the file are told, as a table.
"""

import asyncio
import dataclasses
import datetime
import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

from tests.support.servers import Cluster, SentinelGroup
from tests.topologies.drivers import Servers
from tests.topologies.load import Event, run

KINDS: list[tuple[str, Event, bool]] = [
    ("sentinel", "failover", True),
    ("sentinel", "failover", False),
    ("cluster", "failover", True),
    ("cluster", "failover", False),
    ("cluster", "resharding", True),
]


def make(servers: str) -> Servers:
    """Servers of their own for each run, so that no run bears what another one has done."""
    return Cluster() if servers == "cluster" else SentinelGroup(replicas=2)


def main(path: Path, runs: int) -> int:
    """Make what is missing; 1 if something was lost that must not be, or a control has lost nothing."""
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    there = {(each["servers"].split()[0], each["event"], each["durable"], each["seed"]) for each in done}
    for seed in range(runs):
        for servers, event, durable in KINDS:
            if (servers, event, durable, seed) in there:
                continue
            with make(servers) as group:
                group.wait_until_whole()
                outcome = asyncio.run(run(group, f"{{run-{seed}}}", event, seed, durable=durable))
            at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            machine = f"{platform.machine()}, {os.cpu_count()} cores"
            line = {**dataclasses.asdict(outcome), "at": at, "machine": machine, "load": round(os.getloadavg()[0], 1)}
            done.append(line)
            with path.open("a") as file:
                file.write(json.dumps(line) + "\n")
    return tell(done)


def tell(done: list[dict[str, Any]]) -> int:
    """Print a table; 1 if a promise was broken."""
    broken = 0
    sys.stdout.write(
        "| servers | event | durable | runs | pushes/s | lost | run again | stuck | recovery |\n" + "| --- " * 9 + "|\n"
    )
    for servers, event, durable in KINDS:
        mine = [
            each
            for each in done
            if (each["servers"].split()[0], each["event"], each["durable"]) == (servers, event, durable)
        ]
        if not mine:
            continue
        recovery = [each["recovery"] for each in mine]
        lost = [each["lost"] for each in mine]
        stuck = sum(each["stuck"] for each in mine)
        times = f"{statistics.median(recovery):.2f} s, at most {max(recovery):.2f} s"
        rate = f"{statistics.median(each['rate'] for each in mine):.0f}"
        again = sum(each["again"] for each in mine)
        cells = (servers, event, durable, len(mine), rate, sum(lost), again, stuck, times)
        sys.stdout.write("| " + " | ".join(map(str, cells)) + " |\n")
        is_control = event == "failover" and not durable
        broken |= bool(stuck) or (not any(lost) if is_control else any(lost))
    return int(broken)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20))
