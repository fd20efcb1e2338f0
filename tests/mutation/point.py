"""A place where a source can be changed by machine, and what it is changed to."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Point:
    """One change of one file. It is known by its line and its change, so that it stays itself when others move."""

    path: str
    """The file, from the root of the repository."""
    start: int
    stop: int
    new: str
    line: str
    """The line that it is in, without its indentation."""
    number: int
    """Which change of such a line of the file it is, from 0."""

    @property
    def key(self) -> str:
        """A short name that stays as long as the line does."""
        text = f"{self.path}\0{self.line}\0{self.number}\0{self.new}"
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:12]

    def change(self, source: str) -> str:
        """Return the source with the change."""
        return source[: self.start] + self.new + source[self.stop :]

    def shown(self, source: str) -> str:
        """Say what is changed."""
        return f"{self.line}  ⟶  {self.change_of_line(source)}"

    def change_of_line(self, source: str) -> str:
        """Return the changed lines, without their indentation."""
        begin = source.rfind("\n", 0, self.start) + 1
        end = source.find("\n", self.stop)
        return (source[begin : self.start] + self.new + source[self.stop : end if end >= 0 else None]).strip()


def points(path: str, source: str, changes: list[tuple[int, int, str]]) -> list[Point]:
    """Make points of changes, each a begin, an end and a text."""
    found: list[Point] = []
    counts: dict[str, int] = {}
    for start, stop, new in sorted(set(changes)):
        begin = source.rfind("\n", 0, start) + 1
        end = source.find("\n", start)
        line = source[begin : end if end >= 0 else None].strip()
        counts[line] = counts.get(line, -1) + 1
        found.append(Point(path, start, stop, new, line, counts[line]))
    return found


class Place(NamedTuple):
    """A statement or a condition that can be left out for some jobs."""

    start: int
    stop: int
    is_condition: bool
    subject: str
    """What says there, in the language of the program, which job it is about."""
