"""The result of the demo."""

import statistics
from dataclasses import dataclass

from jobsvalkey.contract import Inconsistency


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The numbers at the end."""

    pushed: int
    completed: int
    """With a result in the store."""
    unreadable: int
    """Jobs that failed, since their file could not be read."""
    taken_over: int
    """Jobs that the killed worker held, and the other one ran."""
    run_twice: int
    """Jobs that came to their end twice: the worker was killed after the handler's end, before that was stored."""
    lost: int
    seconds: float
    """From the first push to the end of the last job."""
    waits: list[float]
    """Seconds from the push of each job to its start."""
    size: int
    """Bytes read."""
    lines: int
    inconsistencies: list[Inconsistency]

    @property
    def succeeded(self) -> bool:
        """Whether nothing was lost, and everything fits together."""
        return self.lost == 0 and not self.inconsistencies

    def rows(self) -> list[tuple[str, str]]:
        """The table."""
        return [
            ("jobs pushed", f"{self.pushed:,}"),
            ("completed", f"{self.completed:,}"),
            ("failed, since the file cannot be read", f"{self.unreadable:,}"),
            ("taken over from the killed worker", f"{self.taken_over:,}"),
            ("run twice", f"{self.run_twice:,}"),
            ("lost", f"{self.lost:,}"),
            ("jobs per second", f"{self.rate:,.0f}"),
            ("median wait", f"{self.median_wait:.2f} s"),
            ("time", f"{self.seconds:.1f} s"),
            ("data", f"{self.size / 1e6:,.1f} MB, {self.lines:,} lines"),
            ("validate", f"{len(self.inconsistencies):,} inconsistencies"),
        ]

    @property
    def rate(self) -> float:
        """Jobs per second."""
        return self.pushed / self.seconds

    @property
    def median_wait(self) -> float:
        """Seconds."""
        return statistics.median(self.waits) if self.waits else 0.0

    def fields(self) -> dict[str, object]:
        """The same as numbers."""
        return {
            "pushed": self.pushed,
            "completed": self.completed,
            "failed": self.unreadable,
            "taken_over": self.taken_over,
            "run_twice": self.run_twice,
            "lost": self.lost,
            "jobs_per_second": round(self.rate, 1),
            "median_wait_seconds": round(self.median_wait, 4),
            "seconds": round(self.seconds, 3),
            "bytes": self.size,
            "lines": self.lines,
            "inconsistencies": [f"{each.kind} {each.job_id}" for each in self.inconsistencies],
        }
