"""What an observer sees who stands outside of all processes: each claim, each run of a handler, and what must hold."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast

from jobsvalkey import JobContext
from jobsvalkey.contract import Cancel, Fail, Finish, JobID, Release, Retry, Settlement
from tests.simulation.loop import Host
from tests.simulation.settings import Settings


class Broken(AssertionError):
    """Something has happened that must not, or has not that must."""


@dataclass(eq=False)
class ClaimNote:
    """One claim, and the run of its handler."""

    worker: str
    token: bytes
    job: int
    host: Host
    recoveries: int
    is_held: bool = True
    starts: int = 0
    is_running: bool = False
    ended_as: str | None = None
    """How the handler ended: returned, raised, failed, slept, cancelled."""
    ended_by: str | None = None
    """What ended the claim."""
    aborted_at: float | None = None
    lost_at: float | None = None
    """Since when its handler should hear that the claim is not held any more."""
    told_at: float | None = None
    """When its process was told that it is to end."""
    is_asked: bool = False
    """Whether the handler was asked to end."""


@dataclass
class HostNote:
    """What is known of a process beside its tasks."""

    host: Host
    stopped_at: float | None = None
    is_hurried: bool = False
    has_left: bool = False
    troubled: float = float("-inf")
    """Until when something kept it from its store, as far as is known."""
    running: list[ClaimNote] = field(default_factory=list[ClaimNote])


class Ledger:
    """Notes what happens, in order, and raises `Broken` at once if it must not.

    Args:
        settings: those of the simulation.
        now: its time.
    """

    def __init__(self, settings: Settings, now: Callable[[], float]) -> None:
        self.settings = settings
        self.now = now
        self.trace: list[str] = []
        self.claims: dict[tuple[str, bytes], ClaimNote] = {}
        self.hosts: dict[str, HostNote] = {}
        self.workers: dict[str, Host] = {}
        self.numbers: dict[JobID, int] = {}
        self.attempts: dict[int, int] = {}
        """Which attempt the next run of a job is."""
        self.errors: list[Broken] = []
        self.is_over = False
        self.has_details = False
        self.cause = ""
        self.runs: dict[int, int] = {}
        """How many runs of a job have begun."""

    # What is written.

    def note(self, text: str) -> None:
        """Write a line."""
        if not self.is_over:
            self.trace.append(f"{self.now():.6f} {text}")

    def detail(self, text: str) -> None:
        """Write a line for whoever replays a simulation."""
        if self.has_details:
            self.note(f". {text}")

    def broken(self, text: str) -> Broken:
        """Write that a promise was broken, for whoever raises it, and for the end, should that be swallowed."""
        error = Broken(text)
        if not self.is_over:
            self.note(f"BROKEN: {text}")
            self.errors.append(error)
        return error

    def digest(self) -> str:
        """Sum up the trace: two runs that have the same one have gone the same way."""
        lines = (line for line in self.trace if " . " not in line)
        return sha256("\n".join(lines).encode()).hexdigest()[:16]

    def number(self, job_id: JobID) -> int:
        """Name a job by a number, in the order of their appearance."""
        return self.numbers.setdefault(job_id, len(self.numbers) + 1)

    def trouble(self, host: Host | None, until: float) -> None:
        """Note that something keeps a process from its store until then; `None` is all of them."""
        for note in self.hosts.values():
            if host is None or note.host is host:
                note.troubled = max(note.troubled, until)

    # What the store does.

    @contextmanager
    def because(self, cause: str) -> Generator[None]:
        """Say why claims end within the block."""
        self.cause, before = cause, self.cause
        try:
            yield
        finally:
            self.cause = before

    def claimed(self, worker: str, token: bytes, job_id: JobID, recoveries: int) -> None:
        """Note that a worker has claimed a job."""
        if (worker, token) in self.claims:
            return  # the repeat of an exchange
        job = self.number(job_id)
        host = self.workers[worker]
        self.claims[worker, token] = ClaimNote(worker, token, job, host, recoveries)
        self.note(f"{host.name} claims {job}")

    def unclaimed(self, worker: str, token: bytes) -> None:
        """Note that a claim has ended, and hold it against what its handler does."""
        note = self.claims[worker, token]
        note.is_held, note.ended_by = False, self.cause
        note.lost_at = self.now() if note.is_running else None
        self.note(f"claim of {note.job} by {note.host.name} ends: {self.cause}")
        if note.host.is_dead or self.cause not in ("settle", "close", "recover"):
            return
        if self.cause != "recover":
            if note.is_running:
                raise self.broken(f"{note.host.name} ends its claim of job {note.job} while the handler runs")
            stopped = self.hosts[note.host.name].stopped_at
            calm = stopped is not None and self.hosts[note.host.name].troubled < stopped
            if self.cause == "close" and note.ended_as not in (None, "cancelled") and calm:
                raise self.broken(f"{note.host.name} leaves without having settled job {note.job}: {note.ended_as}")
            return
        host = self.hosts[note.host.name]
        if not host.has_left and self.now() - host.troubled > self.settings.hold_for + self.settings.every + 1:
            raise self.broken(f"job {note.job} is recovered from {host.host.name}, which lives and meets no trouble")

    def settled(self, worker: str, settlement: Settlement) -> None:
        """Note how a claim was settled."""
        note = self.claims[worker, settlement.token]
        how = type(settlement).__name__
        self.note(f"{note.host.name} settles {note.job}: {how}, {note.ended_as}")
        fits: dict[str | None, tuple[type, ...]] = {
            None: (Release, Cancel, Fail),
            "returned": (Finish, Release),  # told again after a failover
            "raised": (Retry, Fail),
            "failed": (Fail,),
            "slept": (Retry,),
            "slept and counted": (Retry,),
            "cancelled": (Release, Cancel),
            "timed out": (Retry, Fail),
        }
        if not isinstance(settlement, fits[note.ended_as]) and not self._is_called_off(note, settlement):
            raise self.broken(f"the handler of job {note.job} has ended as {note.ended_as}, and it is settled as {how}")
        if isinstance(settlement, Cancel) and note.aborted_at is None:
            raise self.broken(f"job {note.job} is cancelled, and nobody has asked for its end")
        if isinstance(settlement, Retry) and note.ended_as != "slept" and note.aborted_at is None:
            self.attempts[note.job] = self.attempts.get(note.job, 1) + 1

    def _is_called_off(self, note: ClaimNote, settlement: Settlement) -> bool:
        """Whether the job was to end or to go back, in the same moment in which its handler ended by itself."""
        if note.ended_as == "returned":
            return False
        is_stopping = self.hosts[note.host.name].stopped_at is not None
        return isinstance(settlement, Release | Cancel) and (is_stopping or note.aborted_at is not None)

    def rerun(self, job_id: JobID) -> None:
        """Note that a job begins anew."""
        self.attempts[self.number(job_id)] = 1

    def aborted(self, worker: str, token: bytes) -> None:
        """Note that somebody has asked for the end of a claim."""
        note = self.claims[worker, token]
        if note.aborted_at is None:
            note.aborted_at = self.now()
        self.note(f"the end of {note.job} is asked for")

    def told(self, worker: str, tokens: Iterable[bytes]) -> None:
        """Note that a worker has been told of claims that are to end."""
        for token in tokens:
            note = self.claims[worker, token]
            note.told_at = self.now() if note.told_at is None else note.told_at

    # What handlers do.

    def begins(self, context: JobContext) -> ClaimNote:
        """Note that a handler starts."""
        run = cast("Any", context)._run
        note = self.claims.get((run.worker or "", run.claim.token))
        if note is None or note.job != self.number(context.job_id):
            raise self.broken(f"job {self.number(context.job_id)} starts, and nobody has claimed it")
        host = self.hosts[note.host.name]
        self.note(f"{note.host.name} starts {note.job}, attempt {context.attempt}")
        note.starts += 1
        self.runs[note.job] = self.runs.get(note.job, 0) + 1
        if note.starts > 1:
            raise self.broken(f"job {note.job} starts twice for one claim of {note.host.name}")
        if not note.is_held and note.ended_by in ("settle", "close"):
            raise self.broken(f"job {note.job} starts although {note.host.name} has given it back")
        if note.is_held and context.attempt != self.attempts.get(note.job, 1):
            expected = self.attempts.get(note.job, 1)
            raise self.broken(f"job {note.job} starts with attempt {context.attempt}, after {expected - 1} of them")
        for other in self.hosts.values():
            for each in other.running:
                if each.job == note.job and each.is_held and note.is_held:
                    raise self.broken(f"job {note.job} starts while it runs under a claim that holds")
        if len(host.running) >= self.settings.slots:
            raise self.broken(f"{len(host.running) + 1} handlers run in {self.settings.slots} slots")
        most = self.settings.max_recoveries
        if most and note.recoveries == most and any(each.recoveries == most for each in host.running):
            raise self.broken(f"job {note.job}, on its last chance, starts beside another one on its own")
        note.is_running = True
        note.lost_at = None if note.is_held else self.now()
        host.running.append(note)
        return note

    def ends(self, note: ClaimNote, how: str) -> None:
        """Note that a handler has ended."""
        if note.is_running:
            note.is_running, note.ended_as = False, how
            self.hosts[note.host.name].running.remove(note)
            self.note(f"{note.host.name}: {note.job} has {how}")

    def cancelled(self, note: ClaimNote, context: JobContext) -> None:
        """Note that a handler was asked to end, which needs a reason."""
        host = self.hosts[note.host.name]
        note.is_asked = True
        self.note(f"{note.host.name}: {note.job} is asked to end")
        if context.aborted and note.aborted_at is None:
            raise self.broken(f"the handler of job {note.job} is aborted, and nobody has asked for it")
        is_late = host.stopped_at is not None and (
            host.is_hurried or self.now() >= host.stopped_at + self.settings.graceful - 1e-6
        )
        if note.is_held and note.aborted_at is None and not is_late:
            raise self.broken(f"the handler of job {note.job} is cancelled for no reason")

    def check_news(self) -> None:
        """Handlers whose end is asked for, or whose claim is lost, hear of it with the next renewal."""
        for host in self.hosts.values():
            for note in [] if host.host.is_dead or host.has_left else host.running:
                told = note.told_at is not None and not note.is_asked
                if told and self.now() - max(note.told_at or 0.0, host.troubled) > 1.5:
                    raise self.broken(f"the worker has heard that job {note.job} is to end, and its handler does not")
                times = [time for time in (note.aborted_at, note.lost_at) if time is not None]
                if not times or note.is_asked:
                    continue
                since = max(min(times), host.troubled)
                if self.now() - since > self.settings.hold_for + self.settings.every + 2:
                    raise self.broken(f"the handler of job {note.job} does not hear that it is to end")

    # Processes.

    def dies(self, host: Host) -> None:
        """Note that a process is killed."""
        self.note(f"{host.name} dies")
        for note in self.hosts[host.name].running:
            note.is_running = False
        self.hosts[host.name].running.clear()

    def leaves(self, host: Host) -> None:
        """Note that a processor's run is over; nothing may be left that it holds if it had no trouble."""
        note = self.hosts[host.name]
        note.has_left = True
        self.note(f"{host.name} has left")
        since = self.now() if note.stopped_at is None else note.stopped_at
        if note.troubled < since and not note.running:
            held = [each.job for each in self.claims.values() if each.is_held and each.host is host]
            if held:
                raise self.broken(f"{host.name} has left, and holds jobs {held}")
