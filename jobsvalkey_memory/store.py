"""The store of the twin: jobs in the lines of their states, workers with their claims, and what must be remembered."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from typing import Any, NamedTuple

from msgspec.structs import replace

from jobsvalkey.contract import (
    FINISHED,
    ConfigurationError,
    Input,
    JobID,
    JobStatus,
    SettleOutcome,
    StoredJob,
    Unique,
    WorkerID,
)
from jobsvalkey_memory.lanes import BEGINNING, PLAIN, Lanes, line_name
from jobsvalkey_memory.line import Line, Place

PRODUCER_MEMORY = timedelta(minutes=10)
WORKER_MEMORY = timedelta(hours=24)
HISTORY = 10_000
UNCLAIMED = frozenset({JobStatus.PENDING, JobStatus.PAUSED, JobStatus.WAITING})


def place(job: StoredJob) -> Place:
    """Return the place of a job in the line of its state: by its end, its claim or its due time, then by its id."""
    return (job.ended_at or job.claimed_at or job.due or job.stored_at, job.job_id)


@dataclass(slots=True)
class Worker:
    """Its lock, its claims by token, its last exchange that did something, the last hint that it saw."""

    expires: datetime
    hints: int
    claims: dict[bytes, JobID] = field(default_factory=dict[bytes, JobID])
    sequence: int | None = None
    outcomes: list[SettleOutcome] = field(default_factory=list[SettleOutcome])
    reported: list[SettleOutcome] = field(default_factory=list[SettleOutcome])
    leaving: bool = False
    aborts: set[bytes] = field(default_factory=set[bytes])
    """Tokens of held claims that are to be aborted."""
    about: bytes = b""
    has_news: bool = False
    """Whether an end was asked for since the worker last looked."""
    listening: set[asyncio.Future[None]] = field(default_factory=set[asyncio.Future[None]])
    """Waits that return at news of its claims."""

    def look(self) -> frozenset[bytes]:
        """The claims that are to be aborted; the worker has now seen the news."""
        self.has_news = False
        return frozenset(self.aborts)

    def abort(self, token: bytes) -> None:
        """Ask for the end of a claim, and tell whoever waits for this worker."""
        self.aborts.add(token)
        self.has_news = True
        for future in self.listening:
            if not future.done():
                future.set_result(None)


class Answer(NamedTuple):
    """A producer's last operation: its digest, its answer, and when that was last used."""

    sequence: int
    digest: bytes
    answer: Any
    used_at: datetime


class Value(NamedTuple):
    """A metadata value; or a lock, which expires, with its holder."""

    value: bytes
    expires: datetime | None


class Name(NamedTuple):
    """Who holds a unique name, and until when, if it is held for a time."""

    holder: JobID
    until: datetime | None


class QueueState:
    """All that is stored under one queue key. `pushed` and `ended` are there for the assertions of tests only."""

    def __init__(self) -> None:
        self.jobs: dict[JobID, StoredJob] = {}
        self.time: datetime = BEGINNING  # of the step that is done
        self.lines: dict[JobStatus, Line] = {status: Line() for status in JobStatus}
        self.lanes: Lanes = Lanes()  # pending jobs with a priority or a lane, which are not on the line of their state
        self.named: set[JobID] = set()  # ids of jobs that a user gave, and once the job is gone:
        self.remembered: OrderedDict[JobID, datetime] = OrderedDict()  # until when a push of it is a duplicate
        self.kept: set[JobID] = set()  # ended jobs that no retention policy drops or counts, in lines of their own:
        self.kept_lines: dict[JobStatus, Line] = {status: Line() for status in FINISHED}
        self.until: dict[JobID, datetime] = {}  # when such a job becomes absent, unless it is kept for ever
        self.saved: dict[JobID, bytes] = {}  # the states that handlers of unended jobs have reported
        self.ends_at: Line = Line()  # unclaimed jobs that expire or are doomed, by when
        self.doomed: dict[JobID, datetime] = {}  # waiting jobs of which a parent has not completed, since when
        self.children: dict[JobID, set[JobID]] = {}  # the waiting jobs that each parent holds
        self.inputs: dict[JobID, tuple[Input, ...]] = {}  # what each job is told of its parents
        self.members: dict[JobID, dict[JobID, JobStatus | None]] = {}  # of each waiting callback: what became of them
        self.untold: int = 0  # how many children may still be told of an end by what the step under way does
        self.open_batches: set[JobID] = set()  # callbacks that their own batch still holds
        self.broken: set[JobID] = set()  # jobs with something in the place of their request that is none
        self.names: dict[str, Name] = {}  # the unique names that are held
        self.workers: dict[WorkerID, Worker] = {}
        self.producers: OrderedDict[str, Answer] = OrderedDict()
        self.metadata: dict[str, Value] = {}
        self.is_paused: bool = False
        self.counts_activity: bool = False
        self.tally: Counter[str] = Counter()  # what the step under way has done, which counts if it is an exchange
        self.activity: dict[datetime, Counter[str]] = {}  # by minute
        self.hints: int = 0
        self.waiting: dict[asyncio.Future[None], None] = {}
        self.watched: dict[asyncio.Future[None], frozenset[JobID]] = {}  # who waits for the end of which jobs
        self.pushed: deque[StoredJob] = deque(maxlen=HISTORY)
        self.ended: deque[StoredJob] = deque(maxlen=HISTORY)

    def line_of(self, job: StoredJob) -> Line:
        """The line that a job stands in."""
        if job.status is JobStatus.PENDING and line_name(job) != PLAIN:
            return self.lanes.line_of(job)
        return (self.kept_lines if job.job_id in self.kept else self.lines)[job.status]

    def put(self, job: StoredJob, *, keep: bool = False) -> None:
        """Store a job as it is now, in the line of its state."""
        self.take(job.job_id)
        self.jobs[job.job_id] = job
        if keep:
            self.kept.add(job.job_id)
        self.line_of(job).add(place(job))
        self._moved(job)
        if job.status is JobStatus.PROCESSING:
            self.lanes.started(job)
        if end := self._end_of(job):
            self.ends_at.add((end, job.job_id))

    def take(self, job_id: JobID) -> None:
        """Take a job out, if it is there."""
        if (job := self.jobs.pop(job_id, None)) is not None:
            self.line_of(job).remove(place(job))
            self._moved(job)
            if job.status is JobStatus.PROCESSING and self.lanes.stopped(job):
                self.hint()
            if end := self._end_of(job):
                self.ends_at.remove((end, job_id))
            self.kept.discard(job_id)
            self.until.pop(job_id, None)

    def _moved(self, job: StoredJob) -> None:
        if job.status is JobStatus.PENDING and line_name(job) != PLAIN:
            self.lanes.changed(job, self.time)

    @property
    def pending(self) -> list[Line]:
        """All lines of pending jobs."""
        return [self.lines[JobStatus.PENDING], *self.lanes.lines.values()]

    def _end_of(self, job: StoredJob) -> datetime | None:
        """When a job ends if it stays where it is: its expiry, or when it was doomed."""
        ends = (job.expires, self.doomed.get(job.job_id)) if job.status in UNCLAIMED else ()
        return min((end for end in ends if end is not None), default=None)

    def doom(self, job: StoredJob, now: datetime) -> None:
        """Let a waiting job end with the next exchange."""
        self.take(job.job_id)
        self.doomed.setdefault(job.job_id, now)
        self.put(job)
        self.hint()

    def listed(self, status: JobStatus, *, latest_first: bool = False) -> Iterator[StoredJob]:
        """Iterate over the jobs in a state, in their order."""
        lines = [lines[status] for lines in (self.lines, self.kept_lines) if status in lines]
        lines = self.pending if status is JobStatus.PENDING else lines
        places = merge(*(reversed(line) if latest_first else line for line in lines), reverse=latest_first)
        return (self.jobs[job_id] for _, job_id in places)

    def forget(self, now: datetime) -> None:
        """Give up what need not be remembered any more, as a step begins."""
        self.time = now
        self.lanes.forget()
        while self.producers and now - next(iter(self.producers.values())).used_at >= PRODUCER_MEMORY:
            self.producers.popitem(last=False)
        while self.remembered and next(iter(self.remembered.values())) <= now:
            self.remembered.popitem(last=False)

    def holder_of(self, unique: Unique, now: datetime) -> JobID | None:
        """The job that holds a unique name; one that has it for a time may have ended, or be absent."""
        name = self.names.get(unique.key)
        return name.holder if name and (name.until is None or name.until > now) else None

    def take_name(self, job: StoredJob, now: datetime) -> None:
        """Give a job the name that it was pushed with, if it was with one."""
        if job.unique:
            until = job.unique.until
            self.names[job.unique.key] = Name(job.job_id, now + until if isinstance(until, timedelta) else None)

    def retake_name(self, job: StoredJob, now: datetime) -> bool:
        """Give its name back to a job that had ended; `False` if another has it. One for a time is not taken again."""
        if job.unique is None or job.ended_at is None or isinstance(job.unique.until, timedelta):
            return True
        if is_free := self.holder_of(job.unique, now) is None:
            self.take_name(job, now)
        return is_free

    def free_name(self, job: StoredJob) -> None:
        """Take its name from a job, if it holds it; but not if it has it for a time."""
        if job.unique and self.names.get(job.unique.key) == Name(job.job_id, None):
            del self.names[job.unique.key]

    def hint(self) -> None:
        """Wake the worker that has waited longest; one that is about to wait sees that it missed a hint."""
        self.hints += 1
        if future := next((each for each in self.waiting if not each.done()), None):
            future.set_result(None)

    def announce(self, job_id: JobID) -> None:
        """Wake those who wait for the end of the job: it has ended, or is absent."""
        for future, job_ids in self.watched.items():
            if job_id in job_ids and not future.done():
                future.set_result(None)


class MemoryStore:
    """Holds any number of queues, for one event loop. Drivers that share it are like clients of one server."""

    def __init__(self) -> None:
        self.queues: dict[str, QueueState] = {}
        self.loop: asyncio.AbstractEventLoop | None = None

    def bind(self) -> None:
        """Bind the store to the running event loop; `ConfigurationError` if it is bound to another one already."""
        loop = asyncio.get_running_loop()
        self.loop = self.loop or loop
        if self.loop is not loop:
            raise ConfigurationError(
                "an in-memory queue belongs to the event loop that used it first, and this call is from another: "
                "keep to one loop, or make a new queue with a new MemoryStore for each"
            )

    def damage(self, queue_key: str, job_id: JobID, request: bytes | None, *, wrong_type: bool = False) -> None:
        """Spoil a job for a test: give it another request, or none, or (`wrong_type`) something that is not one."""
        state = self.queues[queue_key]
        state.jobs[job_id] = replace(state.jobs[job_id], request=None if wrong_type else request)
        if wrong_type:
            state.broken.add(job_id)
