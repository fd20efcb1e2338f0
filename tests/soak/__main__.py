# ruff: noqa: T201 - it is there to print
"""Soaks: `python -m tests.soak RESULTS.jsonl [JOBS]` runs half a million jobs, and goes on where it was stopped.

Each round is a line of the file. A part is what one server and one worker have lived through; at its end there is a
line that says what was left. Memory is compared within a part.
"""

import asyncio
import datetime
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.soak.soak import as_line, end, soaking
from tests.soak.verdict import verdict
from tests.support.servers import ServerOptions, local_kind

ROUND = 10_000


async def run(path: Path, jobs: int) -> None:
    """Run what is missing."""
    lines = read(path)
    done = max((line["jobs"] for line in lines if "jobs" in line), default=0)
    part = max((line["part"] for line in lines), default=0) + 1
    if done >= jobs:
        return
    with local_kind().make(ServerOptions()) as server:
        about = {
            "part": part,
            "version": version("jobsvalkey"),
            "server": server.kind,
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }
        async with soaking(server) as soak:
            while done < jobs:
                sample = await soak.round(done, ROUND, done)
                done = sample.jobs
                write(path, {**about, **as_line(sample)})
            write(path, {**about, **as_line(await end(soak, server))})


def read(path: Path) -> list[dict[str, Any]]:
    """Read what is there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write(path: Path, line: dict[str, Any]) -> None:
    """Add a line, with its date."""
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with path.open("a") as file:
        file.write(json.dumps({"at": at, "load": round(os.getloadavg()[0], 1), **line}) + "\n")


if __name__ == "__main__":
    results = Path(sys.argv[1])
    asyncio.run(run(results, int(sys.argv[2]) if len(sys.argv) > 2 else 500_000))
    found, wrong = verdict(read(results))
    print(*found, *(f"WRONG: {each}" for each in wrong), sep="\n")
    sys.exit(bool(wrong))
