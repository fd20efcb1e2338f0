"""The lines of pending jobs that have a priority or a lane, whose turn it is, and what lanes may use."""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, takewhile
from operator import itemgetter
from typing import TypeAlias

from jobsvalkey.contract import JobID, LaneLimit, StoredJob, limit_of
from jobsvalkey_memory.line import Line, Place

LineName: TypeAlias = tuple[int, str]
"""The priority and the lane that all jobs of a line have; an empty text for no lane."""

PLAIN: LineName = (0, "")
"""The jobs without either. Their line is the queue's own."""

BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def line_name(job: StoredJob) -> LineName:
    """Return the name of the line in which a pending job waits."""
    return (job.priority, job.lane or "")


class Lanes:
    """The lines with a name, and the turn of each: since when it has had a due job, or was last served.

    A line that is still empty when the next step begins is forgotten. The lines of a lane that is at its limit keep
    their turns, and offer nothing.
    """

    def __init__(self) -> None:
        self.lines: dict[LineName, Line] = {}
        self.turns: dict[LineName, datetime] = {}
        self.before: dict[
            LineName, datetime
        ] = {}  # the turns of the lines that this step has changed, as it found them
        self.latest: datetime = BEGINNING  # service of any line
        self.plain: datetime = BEGINNING  # last service of the jobs without a name while others waited
        self.limits: dict[str, LaneLimit] = {}  # by pattern
        self.slots: dict[str, set[JobID]] = {}  # the jobs of each lane that run
        self.begun: dict[str, deque[datetime]] = {}  # when the last ones of each lane with a limited rate were claimed

    def line_of(self, job: StoredJob) -> Line:
        """The line of a job that has a priority or a lane."""
        return self.lines.setdefault(line_name(job), Line())

    def changed(self, job: StoredJob, now: datetime) -> None:
        """Update the turn of a line after a job has come or gone. The changes of one step are one change."""
        name, start = line_name(job), max(now, self.latest)
        since = self.before.setdefault(name, min(self.turns.get(name, start), start))
        if self.lines[name]:
            self._set_turn(name, since, now)

    def served(self, job: StoredJob, now: datetime) -> None:
        """Note that a job was claimed: its line now comes after all lines that wait at this moment."""
        name = line_name(job)
        self.latest = max(now, self.latest) + MICROSECOND
        if name == PLAIN:
            self.plain = self.latest
        elif self.lines[name]:
            self._set_turn(name, self.latest, now)
        limit = self.limit(name[1])
        if limit and limit.rate:
            number, _ = limit.rate
            self.begun[name[1]] = deque([*self.begun.get(name[1], ()), now], maxlen=number)
            self.look_again(name[1], now)

    def look_again(self, pattern: str, now: datetime) -> None:
        """Update the turns of the lines of some lanes, which may have to wait longer, or shorter, than before."""
        start = max(now, self.latest)
        for name, line in self.lines.items():
            if line and (name[1] == pattern or (pattern.endswith("*") and name[1].startswith(pattern[:-1]))):
                self._set_turn(name, min(self.turns[name], start), now)

    def limit(self, lane: str) -> LaneLimit | None:
        """Return the limit of a lane; the jobs without one have none."""
        return limit_of(lane, self.limits) if lane and self.limits else None

    def room(self, lane: str) -> float:
        """Count how many more jobs of a lane may run."""
        limit = self.limit(lane)
        if limit is None or limit.concurrency is None:
            return math.inf
        return limit.concurrency - len(self.slots.get(lane, ()))

    def allowed_at(self, lane: str, more: int = 0) -> datetime:
        """Return from when on a job of a lane may begin, if `more` jobs begin before it."""
        limit, begun = self.limit(lane), self.begun.get(lane, ())
        if limit is None or limit.rate is None:
            return BEGINNING
        number, per = limit.rate
        if more >= number:
            return END
        return begun[more - number] + per if len(begun) >= number - more else BEGINNING

    def started(self, job: StoredJob) -> None:
        """Note that a job runs."""
        if job.lane:
            self.slots.setdefault(job.lane, set()).add(job.job_id)

    def stopped(self, job: StoredJob) -> bool:
        """Note that a job runs no more, and return whether there is room for another job of its lane now."""
        if not job.lane:
            return False
        slots = self.slots[job.lane]
        slots.remove(job.job_id)
        if not slots:
            del self.slots[job.lane]
        return self.room(job.lane) == 1

    def claimable(self) -> Iterator[datetime]:
        """Iterate over the times at which each line offers its first job, if its lane is not full."""
        for (_, lane), line in self.lines.items():
            for due, _ in islice(line, self.room(lane) > 0):
                yield max(due, self.allowed_at(lane))

    def forget(self) -> None:
        """Give up the lines that are empty."""
        for name in self.before:
            if not self.lines[name]:
                del self.lines[name]
                self.turns.pop(name, None)
        self.before.clear()

    def in_turn(self, plain: Line, now: datetime, may_run: Callable[[JobID], bool]) -> Iterator[JobID]:
        """Iterate over the due jobs in the order of claims: the highest priority first, and within a priority, the
        lines in turn."""
        waiting: dict[int, list[tuple[datetime, str, Iterator[Place]]]] = {}
        room = {lane: self.room(lane) for _, lane in (*self.lines, PLAIN)}
        begun = Counter[str]()
        for name, line in (*self.lines.items(), (PLAIN, plain)):
            jobs = (place for place in takewhile(lambda place: place[0] <= now, line) if may_run(place[1]))
            for first in islice(jobs, 1):
                turn = max(first[0], self.plain) if name == PLAIN else self.turns[name]
                waiting.setdefault(name[0], []).append((turn, name[1], chain([first], jobs)))
        for priority in sorted(waiting, reverse=True):
            lines = deque((lane, jobs) for _, lane, jobs in sorted(waiting[priority], key=itemgetter(0, 1)))
            while lines:
                lane, jobs = lines.popleft()
                for _, job_id in islice(jobs, begun[lane] < room[lane] and self.allowed_at(lane, begun[lane]) <= now):
                    begun[lane] += 1
                    yield job_id
                    lines.append((lane, jobs))

    def _set_turn(self, name: LineName, since: datetime, now: datetime) -> None:
        first, allowed = next(iter(self.lines[name])), self.allowed_at(name[1])
        self.turns[name] = max(first[0], since, allowed if allowed > now else since)
