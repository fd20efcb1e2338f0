"""The slots of a processor, and how the queues that it serves share them."""

import asyncio
import math
from collections.abc import Sequence
from heapq import heapify, heapreplace

from jobsvalkey.runtime.in_flight import InFlight
from jobsvalkey.runtime.rest import EARLY, Rest

LEAST_PATIENCE = 0.25
"""Seconds for which slots are kept for an exchange that is not answered: at least twice as long as the last took."""
LONGEST_PATIENCE = 2.0
PROBE_EVERY = 0.05
"""Seconds between two looks into a queue that has a weight and was empty, for as long as all slots are taken."""


class Slots:
    """Says how many jobs each queue may claim, so that never more run than there are slots.

    A free slot goes to the first queue that may have a job for it. With weights, it goes to the one that is furthest
    behind its share. An exchange keeps the slots that it was given until it is answered. If that takes too long, others
    may have them, and what it brings after all goes back if there is no room.

    Args:
        number: how many jobs may run.
        weights: one for each queue; `None` is a strict order.
        ends_count: whether the processor looks at the end of each run, and not only of the last one that runs.
    """

    def __init__(self, number: int, weights: Sequence[float] | None = None, *, ends_count: bool = False) -> None:
        self.number: int = number
        self.ends_count: bool = ends_count
        """Whether the processor looks at the end of each run, and not only of the last one that runs."""
        self.weights: Sequence[float] | None = weights
        self.is_closed: bool = False
        """Whether nothing is claimed any more."""
        self.ended: int = 0
        """How many runs have ended."""
        self.is_shared: bool = False
        """Whether there are several queues."""
        self._shares: list[Share] = []
        self._turn = 0.0
        """How far the queue had come that was served last."""

    def share(self, jobs: InFlight, rest: Rest) -> "Share":
        """Add a queue, after those that are there."""
        share = Share(self, jobs, rest, len(self._shares))
        self._shares.append(share)
        self.is_shared = len(self._shares) > 1
        return share

    @property
    def running(self) -> int:
        """How many jobs run."""
        running = 0
        for share in self._shares:
            running += share.jobs.running
        return running

    @property
    def is_full(self) -> bool:
        """Whether nothing can be claimed before a job ends."""
        return self.is_closed or self.has_suspect or self.running >= self.number

    @property
    def has_suspect(self) -> bool:
        """Whether a job runs, or is about to, that is given up should this process die."""
        for share in self._shares:  # noqa: SIM110 - at every exchange, and quicker so
            if share.jobs.has_suspect:
                return True
        return False

    @property
    def room(self) -> int:
        """How many slots nobody has, and no exchange keeps."""
        room = self.number
        for share in self._shares:
            room -= share.jobs.running
            if share.asked:
                room -= share.kept
        return room

    @property
    def free(self) -> int:
        """How many slots may be claimed for now."""
        if self.is_closed:
            return 0
        free = self.number
        for share in self._shares:
            if share.jobs.has_suspect:
                return 0
            free -= share.jobs.running
            if share.asked:
                free -= share.kept
        return free if free > 0 else 0

    def changed(self) -> None:
        """Wake the queues for which something may have changed, if there are several: slots are free, or all taken."""
        free, is_full = self.free, self.is_full
        for share in self._shares:
            if free > 0 if share.wants else share.rest.listens_for_work == is_full:
                share.rest.wake()
            elif is_full and share.rest.has_hint:
                share.rest.wake()  # what its hint was for is for another worker: it has waited for slots that are taken

    def granted(self, share: "Share") -> int:
        """How many jobs a queue may claim now. Those that it leaves slots to are woken."""
        free = self.free
        if not self.is_shared or not free:
            return free
        others = [each for each in self._shares if each is not share and each.competes]
        if not others:
            return free
        if self.weights is not None:
            return self._by_weight(share, others, free)
        if share.place < others[0].place:
            return free
        others[0].rest.wake()
        return 0

    def _by_weight(self, share: "Share", others: list["Share"], free: int) -> int:
        """Give slot by slot to the one that is furthest behind. One that may have nothing gets one, to look with."""
        granted, line = 0, [(each.passed(self._turn), each.place, each) for each in (share, *others)]
        heapify(line)
        for _ in range(free):
            passed, place, first = line[0]
            if passed == math.inf:
                break
            if first is share:
                granted += 1
            else:
                first.rest.wake()
            heapreplace(line, (passed + 1 / first.weight if first.has_more else math.inf, place, first))
        return granted

    def served(self, passed: float) -> None:
        """Note how far the queue had come that was served."""
        self._turn = max(self._turn, passed)

    def passed(self, share: "Share") -> float:
        """How far a queue has come."""
        return share.passed(self._turn)


class Share:
    """The part of one queue in the slots."""

    def __init__(self, slots: Slots, jobs: InFlight, rest: Rest, place: int) -> None:
        self._slots = slots
        self.jobs: InFlight = jobs
        self.rest: Rest = rest
        self.place: int = place
        self.weight: float = 1.0 if slots.weights is None else float(slots.weights[place])
        self.has_more: bool = False
        """Whether the last look has shown that there is more."""
        self._loop = asyncio.get_running_loop()
        self.asked: int = 0
        """Slots that its exchange was given."""
        self._began: float | None = None
        """When the exchange began that is under way, if another queue may want its slots."""
        self._patience = LEAST_PATIENCE
        self._alarm: asyncio.TimerHandle | None = None
        self._passed = 0.0
        self._was_idle = True
        """Whether it has not used its share of late: that gives it no right to more of what follows."""

    @property
    def wants(self) -> bool:
        """Whether there may be a job to claim."""
        if self.has_more or self.rest.is_over:
            return True
        if not self.rest.is_deaf:
            return False
        # It does not listen while all slots are taken.
        rest = 0.0 if self._slots.weights is None else PROBE_EVERY
        return self._loop.time() >= self.rest.looked_at + rest

    @property
    def competes(self) -> bool:
        """Whether slots are kept free for it. With weights, whoever waits for an answer catches up later."""
        return (not self._is_slow if self._slots.weights is None else self._began is None) and self.wants

    @property
    def kept(self) -> int:
        """Slots that its exchange keeps."""
        return 0 if self._is_slow else self.asked

    @property
    def _is_slow(self) -> bool:
        return self._began is not None and self._loop.time() >= self._began + self._patience - EARLY

    def passed(self, turn: float) -> float:
        """How far it has come."""
        return max(self._passed, turn) if self._was_idle else self._passed

    def ask(self, limit: int) -> None:
        """Keep that many slots for an exchange that begins."""
        self.asked = limit
        if self._slots.is_shared:
            self._began = self._loop.time()
            self._alarm = self._loop.call_later(self._patience + EARLY, self._slots.changed)

    def answered(self, claimed: int = 0, *, has_more: bool = False) -> None:
        """Note that the exchange is over, and how many jobs it has claimed."""
        if self._began is not None and self._alarm is not None:
            self._alarm.cancel()
            if self.asked:
                passed = self._slots.passed(self)
                self._slots.served(passed)
                self._passed = passed + max(claimed, 1) / self.weight
            self._was_idle = self._is_slow or not has_more
            took = self._loop.time() - self._began
            self._patience = min(max(2 * took, LEAST_PATIENCE), LONGEST_PATIENCE)
        self.asked, self._began, self.has_more = 0, None, has_more
