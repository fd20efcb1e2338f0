"""The line that jobs stand in."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from datetime import datetime
from typing import TypeAlias

from jobsvalkey.contract import JobID

Place: TypeAlias = tuple[datetime, JobID]


class Line:
    """Places in ascending order, as a row of sorted lists of at most a thousand.

    A search costs O(log n), a change moves a part's entries at most, and `after` counts the parts.
    """

    def __init__(self) -> None:
        self._parts: list[list[Place]] = [[]]
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Place]:
        return (each for part in self._parts for each in part)

    def __reversed__(self) -> Iterator[Place]:
        return (each for part in reversed(self._parts) for each in reversed(part))

    def add(self, new: Place) -> None:
        """Put a place in."""
        index, part = self._part_of(new)
        insort(part, new)
        self._length += 1
        if len(part) > 1000:
            self._parts[index : index + 1] = [part[:500], part[500:]]

    def remove(self, old: Place) -> None:
        """Take out a place, which must be in."""
        index, part = self._part_of(old)
        del part[0 if part[0] == old else bisect_left(part, old)]  # jobs leave in their order, as a rule
        self._length -= 1
        if not part and len(self._parts) > 1:
            del self._parts[index]

    def after(self, this: Place) -> int:
        """How many places come after a given one, which need not be in."""
        index, part = self._part_of(this)
        return len(part) - bisect_right(part, this) + sum(map(len, self._parts[index + 1 :]))

    def _part_of(self, this: Place) -> tuple[int, list[Place]]:
        index = bisect_right(self._parts, this, lo=1, key=lambda part: part[0]) - 1
        return index, self._parts[index]
