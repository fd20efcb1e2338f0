"""The processes of a measurement, and what they cost the server."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from valkey import Valkey

from tests.benchmarks.peers.journal import Journal
from tests.benchmarks.peers.plan import ENOUGH, LIMIT, UVLOOP, WARM, Side

ROOT: Final = Path(__file__).parents[3]
GLANCE: Final = 0.05
"""Seconds between two looks for whether a worker is done. Nothing is timed by them."""


class PeerFailed(Exception):
    """A peer died, or did not finish in time."""


class Server:
    """The server, which nobody else uses meanwhile."""

    def __init__(self, url: str) -> None:
        # The blocking client has no complete types.
        self._client = cast(Any, Valkey).from_url(url)

    def empty(self) -> None:
        """Remove everything."""
        self._client.flushall()

    def spent(self) -> dict[str, float]:
        """Return what it has spent: processor time in µs, commands, those of scripts included, and bytes each way."""
        info, commands = self._client.info("everything"), self._client.info("commandstats")
        return {
            "server_us": 1e6 * (info["used_cpu_user"] + info["used_cpu_sys"]),
            "commands": float(sum(one["calls"] for one in commands.values())),
            "bytes": float(info["total_net_input_bytes"] + info["total_net_output_bytes"]),
        }


@dataclass(frozen=True, slots=True)
class Scene:
    """One measurement of one peer: its interpreter, the server, and when its jobs run."""

    name: str
    interpreter: Path
    url: str
    server: Server
    journal: Journal
    path: Path
    on_uvloop: bool = False

    @contextmanager
    def process(self, side: Side, first: int, count: int, *, answers: bool = False) -> Generator["Process"]:
        """Run one side, in a session of its own, so that its children end with it."""
        with self.path.with_name(f"{side}.log").open("w+b") as output:
            words = [self.interpreter, "-m", "tests.benchmarks.peers", side, self.name, self.url, self.path]
            process = subprocess.Popen(
                [*words, str(first), str(count)],
                cwd=ROOT,
                env={**os.environ, UVLOOP: "1"} if self.on_uvloop else None,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if answers else output,
                stderr=output,
                start_new_session=True,
            )
            try:
                yield Process(side, process, output)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipe.close()

    def ask(self, side: Side, first: int, count: int, limit: float = LIMIT) -> tuple[Any, dict[str, float]]:
        """Have one side do its jobs; its answer, and what each of them has cost the server."""
        with self.process(side, first, count, answers=True) as process:
            process.read_line()  # it has connected
            before = self.server.spent()
            answer = process.answer(limit)
            after = self.server.spent()
        jobs = count if side in (Side.LATENCY, Side.FILL) else count - WARM
        return answer, {figure: (after[figure] - before[figure]) / jobs for figure in after}

    def until_run(self, jobs: int, worker: "Process", enough: float = ENOUGH) -> list[float]:
        """Wait until the first jobs have all run, or for so many seconds from the first of them; when each started."""
        deadline = time.monotonic() + LIMIT
        while len(started := self.journal.all_started(jobs)) < jobs:
            worker.check(f"its worker ended after {len(started):,} of {jobs:,} jobs")
            now = time.monotonic()
            if started and now > min(started) + enough and max(started) > now - enough / 2:
                break
            if now > deadline:
                raise PeerFailed(f"{len(started):,} of {jobs:,} jobs ran in {LIMIT:g} s: {worker.last_line()}")
            time.sleep(GLANCE)
        return started


@dataclass(frozen=True, slots=True)
class Process:
    """One side that runs."""

    side: Side
    process: "subprocess.Popen[bytes]"
    output: IO[bytes]

    def check(self, what: str) -> None:
        """Raise an error if it has ended."""
        if self.process.poll() is not None:
            raise PeerFailed(f"{what}: {self.last_line()}")

    def read_line(self) -> bytes:
        """Read a line of what it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.check(f"{self.side} ended with {self.process.returncode}")
        return line

    def answer(self, limit: float) -> Any:
        """Tell it to go, and return what it answers."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        line = self.read_line()
        if self.process.wait(limit):
            self.check(f"{self.side} ended with {self.process.returncode}")
        return json.loads(line)

    def last_line(self) -> str:
        """Return the last that it printed."""
        self.output.seek(0)
        lines = self.output.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
