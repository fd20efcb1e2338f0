"""The jobs that a worker has in flight: the runs of its claims, and what those ended with."""

import asyncio
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from jobsvalkey.contract import Cancel, Claim, Fail, Finish, Release, Retry, Settlement
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey.runtime.outbox import WorkerOutbox
from jobsvalkey.runtime.reports import Letter
from jobsvalkey.runtime.settled import Settled


def size_of(settlement: Settlement) -> int:
    """Bytes that a settlement carries into the store."""
    match settlement:
        case Finish(result=result):
            return 0 if result is None else len(result)
        case Fail(error=error):
            return len(error)
        case Retry(request=request, error=error):
            return len(request or b"") + len(error or b"")
        case Cancel(reason=reason):
            return len(reason)
        case _:
            return 0


def size_of_report(letter: Letter) -> int:
    """Bytes that a report carries into the store."""
    return len(letter.report.progress or b"") + len(letter.report.state or b"")


class InFlight:
    """The runs that have not ended, and the settlements of those that have."""

    def __init__(self, outbox: WorkerOutbox) -> None:
        self.outbox: WorkerOutbox = outbox
        """The reports of those that run, for the next exchange."""
        self._last_words: dict[bytes, Letter] = {}
        """Reports that go with a settlement, by its token."""
        self._reports_first = False
        self._held: dict[bytes, JobRun] = {}
        self._lost: set[JobRun] = set()
        """Runs that have not ended yet, although their claims are lost."""
        self._suspect = b""
        self._isolates = False
        self.running: int = 0
        """How many runs have not ended."""
        self.finished: list[Settlement] = []
        """The settlements of ended runs, for the next exchange."""
        self.settled: Settled = Settled()
        """The settlements that the store has acknowledged."""
        self.idle: asyncio.Event = asyncio.Event()
        """Set while nothing runs."""
        self.idle.set()

    @property
    def has_news(self) -> bool:
        """Whether there is something for the next exchange."""
        return bool(self.finished) or self.outbox.is_ready

    @property
    def runs(self) -> list[JobRun]:
        """Those that have not ended."""
        return [*self._held.values(), *self._lost]

    @property
    def held(self) -> dict[bytes, JobRun]:
        """The runs whose claims are held, by their tokens, as it is now."""
        return dict(self._held)

    @property
    def has_suspect(self) -> bool:
        """Whether a job runs, or is about to, that is given up should this worker die."""
        return self._isolates or self._suspect in self._held

    @contextmanager
    def isolating(self, suspect: Claim) -> Generator[None]:
        """Within the block, a job that is given up should this worker die is about to run."""
        self._suspect, self._isolates = suspect.token, True
        try:
            yield
        finally:
            self._isolates = False

    def give_back(self, claim: Claim) -> None:
        """Release a claim that has not run."""
        self.finished.append(Release(claim.job_id, claim.token))

    def cancel(self, claim: Claim) -> None:
        """End the job of a claim that has not run, and is not to."""
        self.finished.append(Cancel(claim.job_id, claim.token))

    def begin(self, claim: Claim, run: JobRun) -> None:
        """Note a run."""
        if not self.running:
            self.idle.clear()
        self.running += 1
        self._held[claim.token] = run
        run.outbox = self.outbox

    def end(self, claim: Claim, run: JobRun, settlement: Settlement) -> None:
        """Note what a run ended with, which goes to the store unless the claim was lost."""
        if run.reports is not None and (letter := self.outbox.last_words(run.reports, settlement)):
            self._last_words[claim.token] = letter
        if run.claim_lost:
            self._lost.discard(run)
        else:
            del self._held[claim.token]
            self.finished.append(settlement)
        self.running -= 1
        if not self.running:
            self.idle.set()

    def lose(self, tokens: Iterable[bytes]) -> list[JobRun]:
        """Note that claims are not held any more; their runs."""
        runs = [self._held.pop(token) for token in tokens if token in self._held]
        for run in runs:
            run.claim_lost = True
            self._lost.add(run)
            if run.reports is not None:
                self.outbox.lose(run.reports)
        return runs

    def abort(self, tokens: frozenset[bytes]) -> None:
        """End the runs whose end somebody has asked for."""
        for token in tokens:
            if (run := self._held.get(token)) is not None and not run.aborted:
                run.aborted = True
                # Not at once: a task that has not begun could not say that it ended.
                asyncio.get_running_loop().call_soon(run.abort)

    def take(self, budget: int) -> tuple[list[Settlement], list[Letter]]:
        """Take settlements and reports of at most `budget` bytes, at least one of them; the rest stays for the next."""
        if not self.outbox.is_ready and not self._last_words:
            return self._take(budget), []
        # By turns, so that neither keeps the other waiting for ever.
        self._reports_first = not self._reports_first
        if self._reports_first:
            letters = self.outbox.take(budget)
            settlements = self._take(budget - sum(map(size_of_report, letters)), at_least_one=not letters)
            return settlements, letters + self._last_words_of(settlements)
        settlements = self._take(budget)
        left = budget - sum(map(self._size_of, settlements))
        letters = self._last_words_of(settlements)
        return settlements, letters + self.outbox.take(left, at_least_one=not settlements)

    def _take(self, budget: int, *, at_least_one: bool = True) -> list[Settlement]:
        number, left = 0, budget
        for settlement in self.finished:
            if type(settlement) is not Finish or settlement.result is not None:  # nearly all carry nothing
                left -= self._size_of(settlement)
                if left < 0 and (number or not at_least_one):
                    break
            number += 1
        taken, self.finished = self.finished[:number], self.finished[number:]
        return taken

    def settle_again(self, tokens: frozenset[bytes]) -> int:
        """Settle again what was settled before a renewal whose answer has the claims as held; return how many."""
        again = self.settled.take(tokens)
        self.finished += again
        return len(again)

    def _size_of(self, settlement: Settlement) -> int:
        letter = self._last_words.get(settlement.token)
        return size_of(settlement) + (0 if letter is None else size_of_report(letter))

    def _last_words_of(self, settlements: list[Settlement]) -> list[Letter]:
        return [self._last_words.pop(each.token) for each in settlements if each.token in self._last_words]

    def forget(self) -> None:
        """Start over as another worker: settle nothing of the last one's."""
        self.finished.clear()
        self.settled.forget()
        self._last_words.clear()
        self.outbox.forget()
        self._suspect = b""
