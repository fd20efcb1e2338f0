"""What was measured so far, in a file: a comparison that was stopped goes on where it was."""

import json
import os
import platform
import re
import statistics
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from tests.benchmarks.peers.columns import Sample
from tests.benchmarks.peers.plan import Size

Samples: TypeAlias = dict[str, dict[str, dict[str, Sample]]]
"""By column, peer and round. One that failed has a `failure`, which says why."""


class Record:
    """A file of samples, written after each of them.

    Raises:
        ValueError: the file is of another size, machine or release: no median could be taken over both.
    """

    def __init__(self, path: Path, size: Size, server: str, versions: Mapping[str, str]) -> None:
        self._path = path
        about = {
            "machine": {
                "processors": os.cpu_count(),
                "model": _model(),
                "system": platform.platform(),
                "python": platform.python_version(),
            },
            "server": server,
            "size": asdict(size),
        }
        begun = {"date": datetime.now(UTC).date().isoformat(), "load": round(os.getloadavg()[0], 2)}
        self._content: dict[str, Any] = {**about, **begun, "versions": {}, "samples": {}}
        if path.exists():
            self._content = json.loads(path.read_text())
            other = [name for name, value in about.items() if self._content[name] != value]
            if any(self._content["versions"].get(peer, release) != release for peer, release in versions.items()):
                other.append("release")
            if other:
                raise ValueError(f"{path} is of another {', '.join(other)}: give another file, or remove it")
            for rounds in (rounds for peers in self.samples.values() for rounds in peers.values()):
                for number in [number for number, sample in rounds.items() if "failure" in sample]:
                    del rounds[number]  # tried once more: it may have been by chance
        self._content["versions"].update(versions)

    @property
    def samples(self) -> Samples:
        """All that is there."""
        return self._content["samples"]

    @property
    def content(self) -> Mapping[str, Any]:
        """All of the file."""
        return self._content

    @property
    def versions(self) -> Mapping[str, str]:
        """The releases, by peer."""
        return self._content["versions"]

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """Who failed at what, and why: column, name and failure."""
        return [
            (column, name, str(sample["failure"]))
            for column, peers in self.samples.items()
            for name, rounds in peers.items()
            for sample in rounds.values()
            if "failure" in sample
        ]

    def has(self, column: str, peer: str, number: int) -> bool:
        """Tell whether a sample is there, or the peer has failed in an earlier round."""
        rounds = self.samples.get(column, {}).get(peer, {})
        return str(number) in rounds or any("failure" in sample for sample in rounds.values())

    def add(self, column: str, peer: str, number: int, sample: Mapping[str, Any]) -> None:
        """Add a sample, and write the file."""
        self.samples.setdefault(column, {}).setdefault(peer, {})[str(number)] = sample
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._content, indent=1) + "\n")
        new.replace(self._path)


def _model() -> str:
    """Name the processor, if the system does."""
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return " ".join(found[1].split()) if found else platform.machine()


def median(samples: Samples, column: str, peer: str, figure: str) -> float | None:
    """Return the median over the rounds; `None` if nothing was measured."""
    rounds = samples.get(column, {}).get(peer, {}).values()
    found: list[float] = []
    for sample in rounds:
        value = sample.get(figure)
        found += value if isinstance(value, list) else [] if value is None else [value]
    return statistics.median(found) if found else None


def percentile(samples: Samples, column: str, peer: str, percent: int) -> float | None:
    """Return a percentile of the waits of all rounds; `None` if there are less than two."""
    waits = [wait for sample in samples.get(column, {}).get(peer, {}).values() for wait in _waits(sample)]
    return statistics.quantiles(waits, n=100, method="inclusive")[percent - 1] if len(waits) > 1 else None


def _waits(sample: Sample) -> list[float]:
    waits = sample.get("waits", [])
    return waits if isinstance(waits, list) else []
