"""This version beside another one: what a queue without any feature costs, and lanes beside the other's plain jobs.

Run it with the path of a checkout of the other version, on a quiet machine::

    git worktree add /tmp/other v0.1.0
    python -m tests.benchmarks.versions /tmp/other --rounds 9

The rounds of both are interleaved, on one server. Processor time is what counts; the time that goes by says something
on a quiet machine only. The figures are those of one job; the ratio is that of the medians, so that 1.00 is as before,
and more is worse.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.servers import ServerOptions, local_kind

PLAIN: Final = "push_many+drain_100"
MEASURES: Final = {
    "lone_push": ("lone_push", "lone_push"),
    "push_many": ("push_many", "push_many"),
    "drain_16": ("push_many+drain_16", "push_many+drain_16"),
    "drain_100": (PLAIN, PLAIN),
    "lanes": (PLAIN, "push_lanes+drain_100"),
    "full lanes": (PLAIN, "push_limited_lanes+drain_100"),
}
"""What the other version is asked, and this one."""
FIGURES: Final = {
    "clock_us": "by the clock, µs",
    "client_us": "client, µs",
    "server_us": "server, µs",
    "commands": "commands",
    "bytes_in": "bytes to the server",
    "bytes_out": "bytes from it",
}
HERE: Final = Path(__file__).parents[2]


class Version:
    """One version, in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, word: str) -> Mapping[str, float]:
        """Measure one thing."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self.read()

    def read(self) -> Mapping[str, Any]:
        """Read the next answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a version has ended: its error is above")
        return json.loads(line)


@contextmanager
def version(path: Path, url: str, queue_key: str) -> Generator[Version]:
    """Start the version at a path; an installed one does not take its place."""
    command = [sys.executable, str(Path(__file__).with_name("version_process.py")), url, queue_key]
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            started = Version(process)
            found = Path(started.read()["from"])
            if path not in found.parents:
                raise SystemExit(f"{path} holds no jobsvalkey: {found} was imported")
            yield started
        finally:
            assert process.stdin is not None
            process.stdin.close()


def compare(other: Path, rounds: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Measure both; for each measure and figure the medians of the other version and of this one."""
    found: dict[str, list[list[Mapping[str, float]]]] = {measure: [[], []] for measure in MEASURES}
    with ExitStack() as stack:
        server = stack.enter_context(local_kind().make(ServerOptions()))
        both = [stack.enter_context(version(path, server.url, "versions")) for path in (other, HERE)]
        for number in range(rounds + 1):
            for measure, words in MEASURES.items():
                for which in (0, 1) if number % 2 else (1, 0):
                    measured = both[which].ask(words[which])
                    if number:  # the first one warms up
                        found[measure][which].append(measured)
    return {
        measure: {
            figure: (
                statistics.median(one[figure] for one in runs[0]),
                statistics.median(one[figure] for one in runs[1]),
            )
            for figure in FIGURES
        }
        for measure, runs in found.items()
    }


def main() -> None:
    """Compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="a checkout of the other version")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    print(f"{'a job':<12}{'':<22}{'other':>10}{'this':>10}{'ratio':>8}")  # noqa: T201 - it is there to print
    for measure, figures in compare(arguments.other.resolve(), arguments.rounds).items():
        for figure, (before, now) in figures.items():
            ratio = now / before if before else float("nan")
            print(f"{measure:<12}{FIGURES[figure]:<22}{before:>10.2f}{now:>10.2f}{ratio:>8.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
