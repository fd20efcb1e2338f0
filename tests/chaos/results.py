"""The file that keeps the runs, one a line, and the table of the documentation that is made of it."""

import datetime
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.chaos.kind import Kind
from tests.chaos.run import Outcome

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "faults.md"
RESULTS = Path(__file__).parent / "results.jsonl"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
HEADINGS = ("fault", "promise", "runs", "jobs", "lost", "doubled", "stuck", "run again", "recovery")


class Results:
    """The runs of a file. A run that is there already need not be made again."""

    def __init__(self, path: Path = RESULTS) -> None:
        self._path = path
        self._version = _version()
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        self.runs: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def has(self, kind: Kind, seed: int) -> bool:
        """Whether this one was made."""
        return any((run["kind"], run["seed"]) == (kind.id, seed) for run in self.runs)

    def add(self, outcome: Outcome) -> None:
        """Keep it, with when, where and of what it was made."""
        line = {
            **asdict(outcome),
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "version": self._version,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "load": round(os.getloadavg()[0], 1),
        }
        self.runs.append(line)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def table(self, kinds: Iterable[Kind]) -> str:
        """The figures of all runs, in Markdown."""
        of_kinds = [(kind, [run for run in self.runs if run["kind"] == kind.id]) for kind in kinds]
        rows = [_row(kind, mine) for kind, mine in of_kinds if mine]
        return "\n".join([f"| {' | '.join(HEADINGS)} |", "| --- " * len(HEADINGS) + "|", *rows])

    def broken(self, kinds: Iterable[Kind]) -> list[str]:
        """The promises that the runs break, and controls that show nothing."""
        found: list[str] = []
        for kind in kinds:
            mine = [run for run in self.runs if run["kind"] == kind.id]
            found += [f"{kind.id}, seed {run['seed']}: {run['wrong'][0]}" for run in mine if run["wrong"]]
            if kind.is_control and mine and not any(run["lost"] or run["doubled"] for run in mine):
                found.append(f"{kind.id}: nothing was lost or doubled, so that the runs beside it prove nothing")
        return found


def _row(kind: Kind, runs: list[dict[str, Any]]) -> str:
    recovery = [run["recovery"] for run in runs]
    sums = [sum(run[name] for run in runs) for name in ("acknowledged", "lost", "doubled", "stuck", "again")]
    times = f"{statistics.median(recovery):.2f} s, at most {max(recovery):.2f} s"
    cells = (kind.what, kind.promise, len(runs), *(f"{number:,}" for number in sums), times)
    return f"| {' | '.join(map(str, cells))} |"


def page_with(table: str) -> str:
    """The page with this table in the place of the one that it has."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{table}\n\n{END}{rest.partition(END)[2]}"


def _version() -> str:
    words = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return f"{version('jobsvalkey')} ({commit})"
