"""The memory of a worker for what it has settled of late, which a failover may make the store forget."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from jobsvalkey.contract import Finish, JobID, Release, Settlement

REMEMBERED: Final = 30.0
"""Seconds for which a worker remembers what it has settled: replicas are seldom so far behind their primary."""


class _Ended:
    """Ids by the tokens of their claims. They are texts: of those the garbage collector has nothing to look at."""

    __slots__ = ("completed", "others")

    def __init__(self) -> None:
        self.completed: dict[bytes, str] = {}
        """Of jobs that have ended well, and without a result."""
        self.others: dict[bytes, str] = {}
        """Of all others. Results and errors are not kept: these jobs run again."""


class Settled:
    """Remembers settlements for a while, each from before a renewal to the answer of one that begins later."""

    def __init__(self) -> None:
        self._latest = _Ended()
        self._before: deque[tuple[float, _Ended]] = deque()
        """The same of the times before, each from a renewal to the next one, and when it ended."""

    def add(self, settlements: Iterable[Settlement]) -> None:
        """Note what the store has acknowledged."""
        completed, others = self._latest.completed, self._latest.others
        for settlement in settlements:
            if type(settlement) is Finish and settlement.result is None:
                completed[settlement.token] = str(settlement.job_id)
            else:
                others[settlement.token] = str(settlement.job_id)

    def age(self, now: float) -> None:
        """Note that a renewal is about to be asked for; forget what was settled too long ago."""
        if self._latest.completed or self._latest.others:
            self._before.append((now, self._latest))
            self._latest = _Ended()
        while self._before and self._before[0][0] < now - REMEMBERED:
            self._before.popleft()

    def take(self, tokens: frozenset[bytes]) -> list[Settlement]:
        """Take how to settle again what was settled before a renewal whose answer has the claims as held."""
        again: list[Settlement] = []
        for _, ended in self._before:
            completed, others = tokens.intersection(ended.completed), tokens.intersection(ended.others)
            again += [Finish(JobID(ended.completed.pop(token)), token) for token in completed]
            again += [Release(JobID(ended.others.pop(token)), token) for token in others]
        return again

    def forget(self) -> None:
        """Forget all of it."""
        self._latest = _Ended()
        self._before.clear()
