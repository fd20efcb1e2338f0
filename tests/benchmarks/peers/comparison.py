"""A round of one peer, and what comes of all rounds."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from valkey import Valkey

from tests.benchmarks.peers.journal import Journal
from tests.benchmarks.peers.plan import DRAINED, JOBS, LIMIT, Side

ROOT = Path(__file__).parents[3]
GLANCE = 0.02
"""Seconds between two looks for whether a worker is done. Nothing is timed by them."""


class PeerFailed(Exception):
    """A peer died, or did not finish in time."""


@dataclass(slots=True)
class Figures:
    """What was measured of one peer, round by round."""

    one_by_one: list[float] = field(default_factory=list[float])
    """Jobs a second."""
    bulk: list[float] = field(default_factory=list[float])
    drain: list[float] = field(default_factory=list[float])
    waits: list[float] = field(default_factory=list[float])
    """Seconds from a push to the start of its job."""
    failure: str | None = None

    def rates(self) -> tuple[float, float, float]:
        """Jobs a second: pushed one by one, pushed in bulk, drained."""
        return statistics.median(self.one_by_one), statistics.median(self.bulk), statistics.median(self.drain)

    def latency(self) -> tuple[float, float]:
        """The median and the 95th percentile, in milliseconds."""
        cuts = statistics.quantiles(self.waits, n=20)
        return cuts[9] * 1000, cuts[18] * 1000


def compare(
    url: str, names: list[str], rounds: int, directory: Path, progress: Callable[[str], None]
) -> dict[str, Figures]:
    """Measure all peers in turn, `rounds` times, so that what disturbs the machine disturbs all alike.

    A peer that fails takes no part in further rounds.
    """
    found = {name: Figures() for name in names}
    for number in range(1, rounds + 1):
        for name, figures in found.items():
            if figures.failure is None:
                progress(f"round {number} of {rounds}: {name}")
                try:
                    _round(url, name, directory, figures)
                except PeerFailed as failed:
                    figures.failure = str(failed)
    return found


def _round(url: str, name: str, directory: Path, figures: Figures) -> None:
    path = directory / "journal"
    _empty(url)
    journal = Journal.create(path, JOBS)
    pushed: dict[str, float] = _ask(Side.PUSH, name, url, path)
    with _process(Side.WORK, name, url, path) as (worker, output):
        _until_drained(journal, worker, output)
        started = journal.all_started(DRAINED)
        waits: list[float] = _ask(Side.LATENCY, name, url, path)
    figures.one_by_one.append(pushed["one_by_one"])
    figures.bulk.append(pushed["bulk"])
    # From the first job to the last: how long a library takes to start is another matter.
    figures.drain.append((DRAINED - 1) / (max(started) - min(started)))
    figures.waits += waits


def _until_drained(journal: Journal, worker: subprocess.Popen[bytes], output: IO[bytes]) -> None:
    deadline = time.monotonic() + LIMIT
    while (ran := len(journal.all_started(DRAINED))) < DRAINED:
        if worker.poll() is not None:
            raise PeerFailed(f"its worker ended after {ran:,} of {DRAINED:,} jobs: {_last_line(output)}")
        if time.monotonic() > deadline:
            raise PeerFailed(f"{ran:,} of {DRAINED:,} jobs ran in {LIMIT:g} s: {_last_line(output)}")
        time.sleep(GLANCE)


def _ask(side: Side, name: str, url: str, path: Path) -> Any:
    with _process(side, name, url, path, answers=True) as (process, output):
        deadline = time.monotonic() + LIMIT
        while process.poll() is None:
            if time.monotonic() > deadline:
                raise PeerFailed(f"{side} was not done in {LIMIT:g} s: {_last_line(output)}")
            time.sleep(GLANCE)
        assert process.stdout is not None
        answer = process.stdout.read()
        if process.returncode:
            raise PeerFailed(f"{side} ended with {process.returncode}: {_last_line(output)}")
    return json.loads(answer)


@contextmanager
def _process(
    side: Side, name: str, url: str, path: Path, *, answers: bool = False
) -> Generator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """One side of a peer, in a session of its own, so that its children end with it; and what it prints."""
    with path.with_name(f"{side}.log").open("w+b") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.peers", side, name, url, path],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if answers else output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield process, output
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _last_line(output: IO[bytes]) -> str:
    output.seek(0)
    lines = output.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")


def _empty(url: str) -> None:
    # The blocking client has no complete types.
    with cast(Any, Valkey).from_url(url) as client:
        client.flushall()
