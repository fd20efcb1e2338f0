"""A driver that keeps its jobs in SQLite: the worked example of "Write your own driver".

Every step is one transaction. SQLite answers within the call, so no reply can be lost, and a step need not be
repeated. Steps block the event loop for as long as SQLite takes, which is short for a file on this machine.
"""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from jobsvalkey.contract import (
    FINISHED,
    Capability,
    Claim,
    Clock,
    ConfigurationError,
    DriverConfiguration,
    Due,
    Exchanged,
    Fail,
    Finish,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    OperationRefused,
    Pushed,
    Renewed,
    Report,
    Retry,
    Settlement,
    SettleOutcome,
    StoreOutcome,
    StoreUnavailable,
    SystemClock,
    WorkerClosed,
    WorkerID,
    check_expiry,
    check_metadata_key,
    check_push,
    check_reports,
    check_sequence,
    check_settlements,
    digest_of,
    refusals,
    resolve_due,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, state TEXT NOT NULL, request BLOB, due INTEGER NOT NULL,
    worker TEXT, stored INTEGER NOT NULL, ended INTEGER, error BLOB, token BLOB, recoveries INTEGER NOT NULL DEFAULT 0,
    reset_attempt INTEGER NOT NULL DEFAULT 0, named INTEGER NOT NULL, kept INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_due ON jobs (state, due, id);
CREATE INDEX IF NOT EXISTS by_end ON jobs (state, kept, ended, id);
CREATE INDEX IF NOT EXISTS by_worker ON jobs (worker, due, id) WHERE worker IS NOT NULL;
CREATE TABLE IF NOT EXISTS remembered (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS workers (id TEXT PRIMARY KEY, expires INTEGER NOT NULL, leaving INTEGER DEFAULT 0,
    sequence INTEGER, outcomes TEXT);
CREATE TABLE IF NOT EXISTS producers (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, digest BLOB NOT NULL,
    answer TEXT NOT NULL, used INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS by_until ON remembered (until); CREATE INDEX IF NOT EXISTS by_use ON producers (used);
CREATE TABLE IF NOT EXISTS metadata (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER);
"""
OPENING = threading.Lock()  # SQLite does not wait if two connections open one file at the same time
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
PRODUCER_MEMORY = timedelta(minutes=10) // MICROSECOND
WORKER_MEMORY = timedelta(hours=24) // MICROSECOND


class SQLiteJobQueue:
    """Jobs in a file of a directory, one file for each queue key. Times are whole microseconds since 1970."""

    capabilities = frozenset({Capability.QUEUE, Capability.CANCEL, Capability.RESUME, Capability.METADATA})

    def __init__(
        self, directory: Path, configuration: DriverConfiguration | None = None, clock: Clock | None = None
    ) -> None:
        self.configuration = configuration or DriverConfiguration()
        self.clock = clock or SystemClock()
        self._path = directory / f"{quote(self.configuration.queue_key, safe='')}.sqlite"
        self._window = self.configuration.idempotency_window // MICROSECOND
        self._opened: sqlite3.Connection | None = None

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        """Store all items, or none."""
        check_push(items, self.configuration)
        if refused := refusals(items, self.capabilities):
            return refused
        done = self._numbered(operation, ("push", *items), lambda now: [self._push(item, now) for item in items])
        return [Pushed(StoreOutcome(outcome), item.job_id) for item, outcome in zip(items, done, strict=True)]

    def _push(self, item: NewJob, now: int) -> StoreOutcome:
        job_id = str(item.job_id)
        known = "SELECT id FROM jobs WHERE id = ? UNION SELECT id FROM remembered WHERE id = ?"
        if self._one(known, job_id, job_id):
            return StoreOutcome.DUPLICATE
        new = "INSERT INTO jobs (id, state, request, due, stored, named) VALUES (?, 'pending', ?, ?, ?, ?)"
        self._do(new, job_id, item.request, _resolve(item.due, now), now, item.remember)
        return StoreOutcome.STORED

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        """Settle, then claim, in one transaction."""
        check_sequence(sequence)
        check_settlements(settlements)
        check_reports(reports, self.configuration, self.capabilities)
        with self._transaction() as now:
            expires, last, recorded = self._worker(worker, now)
            if last is not None and sequence < last:
                raise OperationRefused(f"exchange {sequence} is older than the worker's last one, {last}")
            if sequence == last:
                outcomes = [SettleOutcome(outcome) for outcome in json.loads(recorded)]
            else:
                outcomes = [self._settle(worker, settlement, now) for settlement in settlements]
                if expires > now:
                    self._claim(worker, sequence, limit, now)
            claims = self._claims(worker, sequence)
            if claims or SettleOutcome.SETTLED in outcomes:
                record = "UPDATE workers SET sequence = ?, outcomes = ? WHERE id = ?"
                self._do(record, sequence, json.dumps(outcomes), worker)
            (first,) = self._one("SELECT min(due) FROM jobs WHERE state = 'pending'")
            until_next = None if first is None or expires <= now else max(0, first - now) / 1e6
            return Exchanged(outcomes, [], claims, until_next, lock_expired=expires <= now)

    def _claim(self, worker: WorkerID, sequence: int, limit: int, now: int) -> None:
        due = "SELECT id, length(request) FROM jobs WHERE state = 'pending' AND due <= ? ORDER BY due, id LIMIT ?"
        left = self.configuration.max_atomic_push_bytes
        for index, (job_id, size) in enumerate(self._all(due, now, max(limit, 0))):
            left -= size or 0
            if left < 0 < index:
                break
            claim = "UPDATE jobs SET state = 'processing', worker = ?, token = ? WHERE id = ?"
            self._do(claim, worker, b"%d.%d" % (sequence, index), job_id)

    def _claims(self, worker: WorkerID, sequence: int) -> list[Claim]:
        columns = "id, token, request, due, stored, recoveries, reset_attempt, error"
        held = self._all(f"SELECT {columns} FROM jobs WHERE worker = ? ORDER BY due, id", worker)  # noqa: S608
        return [
            Claim(JobID(job_id), token, request, _time(due), _time(stored), recoveries, bool(reset_attempt), error)
            for job_id, token, request, due, stored, recoveries, reset_attempt, error in held
            if token.startswith(b"%d." % sequence)
        ]

    def _settle(self, worker: WorkerID, settlement: Settlement, now: int) -> SettleOutcome:
        job_id = str(settlement.job_id)
        held = "SELECT id FROM jobs WHERE id = ? AND worker = ? AND token = ?"
        if not self._one(held, job_id, worker, settlement.token):
            return SettleOutcome.CLAIM_LOST
        match settlement:
            case Finish():
                self._end(job_id, JobStatus.COMPLETED, now)
            case Fail(error=error, keep=keep):
                self._end(job_id, JobStatus.FAILED, now, error=error, kept=keep)
            case Retry(request=request, due=due, error=error):
                self._do(
                    "UPDATE jobs SET request = coalesce(?, request), error = coalesce(?, error), due = ?, "
                    "recoveries = 0, reset_attempt = 0 WHERE id = ?",
                    *(request, error, _resolve(due, now), job_id),
                )
                self._release("id = ?", job_id)
            case _:
                self._release("id = ?", job_id)
        return SettleOutcome.SETTLED

    def _release(self, which: str, *values: object) -> None:
        self._do(f"UPDATE jobs SET state = 'pending', worker = NULL, token = NULL WHERE {which}", *values)  # noqa: S608

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        """Make a worker known; one that is known is renewed."""
        with self._transaction() as now:
            new = "INSERT INTO workers (id, expires) VALUES (?, ?) ON CONFLICT DO UPDATE SET expires = excluded.expires"
            self._do(new, worker, now + hold_for // MICROSECOND)

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        """Extend the lock; what is held."""
        with self._transaction() as now:
            self._worker(worker, now)
            extended = "UPDATE workers SET expires = ?, leaving = leaving OR ? WHERE id = ?"
            self._do(extended, now + hold_for // MICROSECOND, leaving, worker)
            tokens = self._all("SELECT token FROM jobs WHERE worker = ?", worker)
            return Renewed(frozenset(token for (token,) in tokens))

    async def close_worker(self, worker: WorkerID) -> None:
        """Release what is held, and forget the worker."""
        with self._transaction():
            self._release("worker = ?", worker)
            self._do("DELETE FROM workers WHERE id = ?", worker)

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        """Release what workers hold whose lock has run out."""
        with self._transaction() as now:
            own = self._one("SELECT ? - expires FROM workers WHERE id = ?", now, worker)
            if worker is not None and (own is None or own[0] >= 0):
                return 0  # it was stalled itself, and others may be as well: locks are renewed first
            held = "SELECT NOT leaving, jobs.id FROM workers w JOIN jobs ON worker = w.id WHERE expires <= ? LIMIT ?"
            for row in (recovered := self._all(held, now, max(max_jobs, 0))):
                self._do("UPDATE jobs SET recoveries = recoveries + ? WHERE id = ?", *row)
                self._release("id = ?", row[1])
            idle = "expires <= ? AND id NOT IN (SELECT worker FROM jobs WHERE worker IS NOT NULL)"
            self._do(f"DELETE FROM workers WHERE {idle}", now - WORKER_MEMORY)  # noqa: S608
            return len(recovered)

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        """SQLite sends no hints, so this sleeps. A shorter `poll_time` makes workers quicker to notice."""
        await asyncio.sleep(timeout.total_seconds())

    def _worker(self, worker: WorkerID, now: int) -> Any:
        found = self._one("SELECT expires, sequence, outcomes FROM workers WHERE id = ?", worker)
        if found is None or now - found[0] >= WORKER_MEMORY:
            raise WorkerClosed(f"worker {worker} was closed, never opened, or forgotten: open a new one")
        return found

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Pending or paused becomes cancelled."""

        def cancel(now: int) -> bool:
            waits = "SELECT id FROM jobs WHERE id = ? AND state IN ('pending', 'paused')"
            if found := self._one(waits, str(job_id)):
                self._end(str(job_id), JobStatus.CANCELLED, now)
            return found is not None

        return self._numbered(operation, ("cancel", job_id), cancel)

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Pending becomes paused."""
        return self._numbered(operation, ("pause", job_id), lambda _: self._move(job_id, "pending", "paused"))

    async def resume(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Paused becomes pending."""
        return self._numbered(operation, ("resume", job_id), lambda _: self._move(job_id, "paused", "pending"))

    def _move(self, job_id: JobID, old: str, new: str) -> bool:
        return self._do("UPDATE jobs SET state = ? WHERE id = ? AND state = ?", new, str(job_id), old) == 1

    async def get_metadata(self, key: str) -> bytes | None:
        """The value, or the holder of the lock."""
        check_metadata_key(key, self.configuration.queue_key)
        with self._transaction() as now:
            return self._value(key, now)[0]

    async def set_metadata(self, key: str, value: bytes, *, operation: Operation | None = None) -> None:
        """Store a value, but not over a lock that is held."""
        check_metadata_key(key, self.configuration.queue_key, value=value)

        def store(now: int) -> None:
            if self._value(key, now)[1] is not None:
                raise ConfigurationError(f"metadata {key!r} is a lock that is held: use another key for the value")
            self._do("INSERT OR REPLACE INTO metadata VALUES (?, ?, NULL)", key, value)

        self._numbered(operation, ("set_metadata", key, value), store)

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        """Take a lock that is free or expired, or extend one's own."""
        check_metadata_key(key, self.configuration.queue_key, holder=holder)
        check_expiry(expires_in)

        def acquire(now: int) -> bool:
            value, expires = self._value(key, now)
            if value is not None and expires is None:
                raise ConfigurationError(f"metadata {key!r} holds a value: use another key for the lock")
            if is_free := value in (None, holder):
                new = "INSERT OR REPLACE INTO metadata VALUES (?, ?, ?)"
                self._do(new, key, holder, now + expires_in // MICROSECOND)
            return is_free

        taken = self._numbered(operation, ("acquire_lock", key, holder, expires_in), acquire)
        # A repeat may come when the lock has run out, and looks again.
        mine = "SELECT true FROM metadata WHERE key = ? AND value = ? AND expires > ?"
        return taken and self._numbered(None, (), lambda now: bool(self._one(mine, key, holder, now)) or acquire(now))

    async def release_lock(self, key: str, holder: bytes, *, operation: Operation | None = None) -> bool:
        """Free one's own lock."""
        check_metadata_key(key, self.configuration.queue_key, holder=holder)
        mine = "DELETE FROM metadata WHERE key = ? AND value = ? AND expires > ?"
        asked = ("release_lock", key, holder)
        return self._numbered(operation, asked, lambda now: self._do(mine, key, holder, now) == 1)

    def _value(self, key: str, now: int) -> tuple[bytes | None, int | None]:
        there = "SELECT value, expires FROM metadata WHERE key = ? AND (expires IS NULL OR expires > ?)"
        return self._one(there, key, now) or (None, None)

    # The end of jobs, and what is kept of them.

    def _end(self, job_id: str, state: JobStatus, now: int, *, error: bytes | None = None, kept: bool = False) -> None:
        self._do(
            "UPDATE jobs SET state = ?, ended = ?, error = coalesce(?, error), kept = ?, worker = NULL, token = NULL "
            "WHERE id = ?",
            *(state, now, error, kept, job_id),
        )
        if (count := self.configuration.retention_policy.of(state).max_count) is not None:
            beyond = "SELECT id FROM jobs WHERE state = ? AND NOT kept ORDER BY ended DESC, id DESC LIMIT -1 OFFSET ?"
            self._drop(state, now, f"id IN ({beyond})", state, count)

    def _forget(self, now: int) -> None:
        """Drop what is over by now. Every step begins with it, so that no step sees what is beyond its time."""
        for state in FINISHED:
            if (age := self.configuration.retention_policy.of(state).max_age) is not None:
                oldest = now - age // MICROSECOND
                self._drop(state, now, "state = ? AND kept = 0 AND ended <= ?", state, oldest)
        self._do("DELETE FROM remembered WHERE until <= ?", now)
        self._do("DELETE FROM producers WHERE used <= ?", now - PRODUCER_MEMORY)

    def _drop(self, state: JobStatus, now: int, which: str, *values: object) -> None:
        """Make jobs absent; an id that a user gave is remembered from the moment at which its job was to go."""
        age = self.configuration.retention_policy.of(state).max_age
        gone = "?" if age is None else f"min(?, ended + {age // MICROSECOND})"
        remember = f"INSERT OR REPLACE INTO remembered SELECT id, {gone} + ? FROM jobs WHERE named AND {which}"  # noqa: S608
        self._do(remember, now, self._window, *values)
        self._do(f"DELETE FROM jobs WHERE {which}", *values)  # noqa: S608

    # Steps.

    def _numbered(self, operation: Operation | None, asked: Sequence[Any], step: Callable[[int], Any]) -> Any:
        """Do a step; answer a repeat of its producer's last one from memory."""
        with self._transaction() as now:
            if operation is None:
                return step(now)
            check_sequence(operation.sequence)
            digest = digest_of(*asked)
            last = self._one("SELECT sequence, digest, answer FROM producers WHERE id = ?", operation.producer)
            if last and last[:2] == (operation.sequence, digest):
                answer = json.loads(last[2])
            elif last and operation.sequence <= last[0]:
                raise OperationRefused(f"{operation} is not a repeat of its producer's last one, nor later")
            else:
                answer = step(now)
            numbers = (operation.producer, operation.sequence, digest, json.dumps(answer), now)
            self._do("INSERT OR REPLACE INTO producers VALUES (?, ?, ?, ?, ?)", *numbers)
            return answer

    @contextmanager
    def _transaction(self) -> Generator[int]:
        """One step, and the time at which it happens. All of it is done, or nothing."""
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            with connection:  # commits, or rolls back
                now = (self.clock.now() - EPOCH) // MICROSECOND
                self._forget(now)
                yield now
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"{self._path}: {error}", outcome="not_done") from error

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            opened = sqlite3.connect(self._path, isolation_level=None)
            try:
                with OPENING:
                    opened.executescript(f"PRAGMA journal_mode = WAL; {SCHEMA}")
            except sqlite3.Error:
                opened.close()  # Without its tables it is of no use: the next step tries again.
                raise
            self._opened = opened
        return self._opened

    def _do(self, statement: str, *values: object) -> int:
        return self._connection().execute(statement, values).rowcount

    def _all(self, query: str, *values: object) -> list[Any]:
        return self._connection().execute(query, values).fetchall()

    def _one(self, query: str, *values: object) -> Any:
        return self._connection().execute(query, values).fetchone()

    async def aclose(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _resolve(due: Due, now: int) -> int:
    return (resolve_due(due, _time(now)) - EPOCH) // MICROSECOND


def _time(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
