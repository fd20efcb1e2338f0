"""The reports of one run, from the handler that makes them to the exchange that takes them."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from jobsvalkey.contract import Claim, ClaimLost, ConfigurationError, Report, SettleOutcome, UnsupportedOperation
from jobsvalkey.contract.checks import LARGEST_PROGRESS
from jobsvalkey.runtime.notebook import Notebook
from jobsvalkey.runtime.progress import Progress, check_progress, encode_progress
from jobsvalkey.runtime.values import Values


class Letter(NamedTuple):
    """One report on its way to the store, and those who wait for it."""

    report: Report
    waiting: "list[Future[None]]"

    def answered(self, outcome: SettleOutcome) -> None:
        """Tell those who wait what has become of it."""
        if outcome is SettleOutcome.BROKEN:
            text = f"a key of job {self.report.job_id} holds something that is not ours: nothing can be saved in it"
            self.fail(ConfigurationError(text))
        elif outcome is SettleOutcome.CLAIM_LOST:
            self.fail(claim_lost(self.report))
        else:
            for future in self.waiting:
                if not future.done():
                    future.set_result(None)

    def fail(self, error: Exception) -> None:
        """Tell those who wait that it will not be stored."""
        for future in self.waiting:
            if not future.done():
                future.set_exception(error)


def claim_lost(of: Claim | Report) -> ClaimLost:
    """The error of a save that nobody may make any more."""
    return ClaimLost(f"job {of.job_id} is no longer this worker's: what its handler saves is not stored")


class Outbox(Protocol):
    """Takes what runs report."""

    def note(self, reports: "Reports", *, at_once: bool) -> None:
        """Hear that there is news, of a state to be stored `at_once` or of progress. From any thread."""
        ...

    def may_block(self) -> bool:
        """Whether the calling thread may wait for the store."""
        ...


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """The settings that the runs of a queue share."""

    values: Values
    largest: int
    is_supported: bool
    driver: str

    def reports(self, claim: Claim, outbox: Outbox | None, job: str) -> "Reports":
        """Return the reports of a run that begins to make some.

        Raises:
            UnsupportedOperation: the driver takes none, or nobody who holds the run does.
        """
        if not self.is_supported:
            raise UnsupportedOperation(
                f"{self.driver} does not support the capability 'reports', which progress, saved values and steps "
                "need: use a driver that does"
            )
        if outbox is None:
            raise UnsupportedOperation(f"whoever runs job {claim.job_id} takes no reports: run it with a processor")
        return Reports(claim, outbox, Notebook(claim.state, self.values, self.largest, job))


class Reports:
    """Gathers what one run reports, from any thread, until it is taken for an exchange. The last of each wins."""

    def __init__(self, claim: Claim, outbox: Outbox, notebook: Notebook) -> None:
        self.claim: Claim = claim
        self.steps: set[str] = set()
        """The names of the steps that this run has entered."""
        self._outbox = outbox
        self._notebook = notebook
        self._lock = threading.Lock()
        self._progress: tuple[float, float | None, str] | None = None
        self._sent: tuple[float, float | None, str] | None = None
        self._is_noted = False
        """Whether the outbox knows that there is progress."""
        self._state: bytes | None = None
        self._waiting: list[Future[None]] = []
        self._error: Exception | None = None
        """The reason why nothing is taken any more."""

    # What handlers do.

    def progress(self, done: float, total: float | None, text: str) -> None:
        """Note how far the job has come."""
        check_progress(done, total, text)
        self._progress = (done, total, text)
        # Looked at after it was noted, and unset before it is taken: so the last one is never left behind.
        if not self._is_noted:
            self._is_noted = True
            self._outbox.note(self, at_once=False)

    @property
    def last_progress(self) -> Progress | None:
        """The progress that was noted last."""
        return None if self._progress is None else Progress(*self._progress)

    def saved(self, kind: Any) -> Any:
        """The value that was saved last."""
        return self._notebook.value(kind)

    def has_step(self, name: str) -> bool:
        """Whether a step has a value."""
        return self._notebook.has_step(name)

    def step(self, name: str, kind: Any) -> Any:
        """The value of a step."""
        return self._notebook.step(name, kind)

    def save(self, value: Any) -> "Future[None]":
        """Save a value; the future is done when it is stored, and fails if it cannot be."""
        return self._save(lambda: self._notebook.note_value(value))

    def finish_step(self, name: str, value: Any, kind: Any) -> "Future[None]":
        """Save the value of a step; the same."""
        return self._save(lambda: self._notebook.note_step(name, value, kind))

    def check_may_block(self) -> None:
        """Check that the calling thread may wait for the store.

        Raises:
            RuntimeError: the event loop of the worker runs in it.
        """
        if not self._outbox.may_block():
            raise RuntimeError(
                "context.blocking is for plain functions, which run in threads: a coroutine awaits context.save(…), "
                "and enters context.step(…) with `async with`"
            )

    def _save(self, write: "Any") -> "Future[None]":
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # whoever waits may give up: what is on its way is stored all the same
        with self._lock:
            if self._error is not None:
                raise self._error
            # Within the lock, so that what is taken later was written later.
            self._state = write()
            self._waiting.append(future)
        self._outbox.note(self, at_once=True)
        return future

    # What the outbox does.

    @property
    def is_closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._error is not None

    @property
    def size(self) -> int:
        """Bytes that a report has at most if it is taken now; 0 if there is nothing to report."""
        state, has_progress = self._state, self._progress is not self._sent
        return 0 if state is None and not has_progress else len(state or b"") + has_progress * LARGEST_PROGRESS

    def take(self) -> Letter | None:
        """Take what there is to report."""
        self._is_noted = False
        latest, before = self._progress, self._sent
        self._sent = latest
        progress = None if latest is before or latest is None else encode_progress(*latest)
        with self._lock:
            state, self._state = self._state, None
            waiting, self._waiting = self._waiting, []
        if progress is None and state is None:
            return None
        return Letter(Report(self.claim.job_id, self.claim.token, progress, state), waiting)

    def close(self, error: Exception) -> None:
        """Take nothing any more."""
        with self._lock:
            self._error = self._error or error
            self._state = None
            waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_exception(error)
