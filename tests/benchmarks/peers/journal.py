"""When each job ran, known to the processes of a comparison without a message between them."""

import mmap
import time
from pathlib import Path

SIZE = 8
"""Bytes of a time."""


class Journal:
    """A file, mapped into memory, with the time at which each job started; zero for one that has not.

    Times are of the monotonic clock, which all processes of a machine share.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._times = memoryview(mmap.mmap(file.fileno(), 0)).cast("d")

    @classmethod
    def create(cls, path: Path, jobs: int) -> "Journal":
        """An empty one for jobs numbered from 0."""
        path.write_bytes(bytes(jobs * SIZE))
        return cls(path)

    def forget(self) -> None:
        """Let no job have started."""
        for number in range(len(self._times)):
            self._times[number] = 0.0

    def note(self, number: int) -> None:
        """A job starts. Its first start counts."""
        if not self._times[number]:
            self._times[number] = time.monotonic()

    def started(self, number: int) -> float:
        """When a job started, in seconds, or zero."""
        return self._times[number]

    def all_started(self, jobs: int) -> list[float]:
        """When those of the first `jobs` jobs started that have."""
        return [started for started in self._times[:jobs] if started]
