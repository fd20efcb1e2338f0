"""The reports of a worker's runs, and when they go to the store."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence

from jobsvalkey.contract import ClaimLost, Release, Retry, Settlement, SettleOutcome
from jobsvalkey.runtime.reports import Letter, Reports, claim_lost

PROGRESS_EVERY = 0.25
"""Seconds between two exchanges that carry progress, of all runs of a worker together."""


class WorkerOutbox:
    """Gathers what the runs of one worker report, for its exchanges.

    What is to be saved goes with the next exchange, which begins at once. Progress waits for its time.

    Args:
        on_news: is called, in the event loop, when something is to go to the store.
        on_lost: is called when the store says that a claim is not held any more.
    """

    def __init__(self, on_news: Callable[[], None], on_lost: Callable[[], None] = lambda: None) -> None:
        self._on_news = on_news
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._ready: dict[Reports, None] = {}
        self._with_progress: dict[Reports, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._last = self._loop.time() - PROGRESS_EVERY
        self._under_way: list[Letter] = []
        self._error: Exception | None = None

    @property
    def is_ready(self) -> bool:
        """Whether something is to go with the next exchange."""
        return bool(self._ready)

    def may_block(self) -> bool:
        """Whether the calling thread is another one than the event loop's."""
        return threading.get_ident() != self._thread

    def note(self, reports: Reports, *, at_once: bool) -> None:
        """Hear that there is news. From any thread."""
        hear = self._hear_at_once if at_once else self._hear_of_progress
        if threading.get_ident() == self._thread:
            hear(reports)
            return
        try:
            self._loop.call_soon_threadsafe(hear, reports)
        except RuntimeError:  # the event loop is closed, and the worker no more
            reports.close(claim_lost(reports.claim))

    def take(self, budget: int, *, at_least_one: bool = True) -> list[Letter]:
        """Take reports of at most `budget` bytes, perhaps at least one; the rest stays for the next exchange."""
        letters: list[Letter] = []
        for reports in list(self._ready):
            size = reports.size
            if size > budget and (letters or not at_least_one):
                break
            budget -= size
            del self._ready[reports]
            if letter := self._sent(reports.take()):
                letters.append(letter)
        return letters

    def last_words(self, reports: Reports, settlement: Settlement) -> Letter | None:
        """End a run: what it has still to report goes with its settlement, unless that ends the job."""
        self._ready.pop(reports, None)
        self._with_progress.pop(reports, None)
        letter = self._sent(reports.take()) if isinstance(settlement, Retry | Release) else None
        reports.close(ClaimLost(f"the run of job {reports.claim.job_id} has ended: nothing is saved after it"))
        return letter

    def lose(self, reports: Reports) -> None:
        """Take nothing more of a run whose claim is lost."""
        self._ready.pop(reports, None)
        self._with_progress.pop(reports, None)
        reports.close(claim_lost(reports.claim))

    def answered(self, letters: Sequence[Letter], outcomes: Iterable[SettleOutcome]) -> None:
        """Tell those who wait for reports what has become of them."""
        is_lost = False
        for letter, outcome in zip(letters, outcomes, strict=True):
            letter.answered(outcome)
            is_lost = is_lost or outcome is SettleOutcome.CLAIM_LOST
        known = {id(letter) for letter in letters}
        self._under_way = [letter for letter in self._under_way if id(letter) not in known]
        if is_lost:
            self._on_lost()

    def forget(self) -> None:
        """Start over as another worker: all claims are lost."""
        for reports in [*self._ready, *self._with_progress]:
            self.lose(reports)
        for letter in self._under_way:
            letter.fail(claim_lost(letter.report))
        self._under_way.clear()

    def close(self) -> None:
        """Take nothing any more: the worker leaves."""
        self._error = ClaimLost("the worker has left: nothing is saved any more")
        if self._timer is not None:
            self._timer.cancel()
        self.forget()

    def _hear_at_once(self, reports: Reports) -> None:
        if self._is_open_for(reports):
            self._ready[reports] = None
            self._on_news()

    def _hear_of_progress(self, reports: Reports) -> None:
        if self._is_open_for(reports):
            self._with_progress[reports] = None
            if self._timer is None:
                self._timer = self._loop.call_at(self._last + PROGRESS_EVERY, self._send_progress)

    def _is_open_for(self, reports: Reports) -> bool:
        if self._error is not None:
            reports.close(self._error)
        return self._error is None and not reports.is_closed

    def _send_progress(self) -> None:
        self._timer, self._last = None, self._loop.time()
        self._ready.update(self._with_progress)
        self._with_progress.clear()
        if self._ready:
            self._on_news()

    def _sent(self, letter: Letter | None) -> Letter | None:
        if letter is not None:
            self._under_way.append(letter)
        return letter


class KeptOutbox:
    """Takes reports of a run without a store, for tests: all is stored at once."""

    def note(self, reports: Reports, *, at_once: bool) -> None:
        """Store it."""
        if (letter := reports.take()) is not None:
            letter.answered(SettleOutcome.SETTLED)

    def may_block(self) -> bool:
        """Whether the calling thread may wait: it does not have to."""
        return True
