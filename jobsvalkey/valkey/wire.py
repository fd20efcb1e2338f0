"""How values cross between Python and the scripts: times, settlements, claims, jobs."""

import logging
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypedDict
from urllib.parse import quote, unquote

from msgspec.structs import replace

from jobsvalkey.contract import (
    Cancel,
    Claim,
    Due,
    Exchanged,
    Fail,
    Finish,
    JobID,
    JobStatus,
    NewJob,
    Pushed,
    Report,
    Retention,
    RetentionPolicy,
    Retry,
    Settlement,
    SettleOutcome,
    StoredJob,
    StoredRun,
    StoredWorker,
    StoreOutcome,
    Unique,
)
from jobsvalkey.contract.spans import LONGEST_DELAY
from jobsvalkey.valkey import holds
from jobsvalkey.valkey.arguments import Argument, Reply

_logger = logging.getLogger(__name__)

_ID = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_SCORE = re.compile(rb"[-+.0-9einf]+")
_UNCHANGED: Final = b"="  # in place of the request of a retry
_UNTIL: Final[Mapping[bytes, Literal["end", "start"]]] = {b"end": "end", b"start": "start"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NONE: Final[frozenset[bytes]] = frozenset()
_MICROSECOND = timedelta(microseconds=1)
# Unix seconds that a datetime can hold. Others may have written more; no look or claim is to fail for it.
_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0
_STORED = {
    ord("1"): StoreOutcome.STORED,
    ord("0"): StoreOutcome.DUPLICATE,
    ord("n"): StoreOutcome.DUPLICATE,
    ord("r"): StoreOutcome.REPLACED,
}
_OF_ITS_ID = b"10"
"""The outcomes that are about the id that was pushed; the others are about the job that holds the name."""
_READABLE = ":/@+,"
"""Characters that stand in the keys as they are given in a name; a space, say, would end a word of the script's."""
OUTCOMES: Final = {"SETTLED": "s", "CLAIM_LOST": "l", "BROKEN": "b", "AGAIN": "a"}
"""The letter that stands for each outcome in the scripts, where they have the same names."""
_outcome_of = {ord(letter): SettleOutcome[name] for name, letter in OUTCOMES.items()}.__getitem__


def microseconds(value: datetime | timedelta) -> int:
    """A time span, or a time since 1970, in whole microseconds."""
    return (value - _EPOCH if isinstance(value, datetime) else value) // _MICROSECOND


def due_argument(due: Due) -> str:
    """When a job is due, as the scripts take it."""
    if due is None:
        return ""
    return f"+{microseconds(due)}" if isinstance(due, timedelta) else str(microseconds(due))


def push_arguments(items: Iterable[NewJob]) -> list[Argument]:
    """Jobs, two words each, as `push` takes them: an id, with what is special about the job, and the request."""
    arguments: list[Argument] = []
    for item in items:
        if (
            item.due is None
            and not item.remember
            and (item.keep_for is item.expires is item.unique is item.lane is item.batch is None)
            and not (item.priority or item.after)
        ):
            arguments += (str(item.job_id), item.request)
        else:
            due = "now" if item.due is None else due_argument(item.due)
            fields = "".join(f" {name}:{value}" for name, value in _fields_of(item))
            arguments += (f"{item.job_id} {due} {'remember' if item.remember else '-'}{fields}", item.request)
    return arguments


def _fields_of(item: NewJob) -> Iterator[tuple[str, object]]:
    """The fields that make a job a fielded one: the name, and the value without spaces, of each."""
    if item.keep_for is not None:
        yield "keep_for", microseconds(item.keep_for)
    if item.expires is not None:
        yield "expires", due_argument(item.expires)
    if (unique := item.unique) is not None:
        yield "unique", quote(unique.key, safe=_READABLE)
        if unique.until != "end":
            yield "until", microseconds(unique.until) if isinstance(unique.until, timedelta) else unique.until
        if unique.otherwise != "skip":
            yield "otherwise", unique.otherwise
    if item.priority:
        yield "priority", item.priority
    if item.lane is not None:
        yield "lane", quote(item.lane, safe=_READABLE)
    if item.after or item.batch is not None:
        yield from holds.fields_of(item)


def pushed(items: Iterable[NewJob], answer: bytes) -> list[Pushed]:
    """The answer of `push`, for each job. The holders of names follow the letters."""
    if answer == b"1":  # most pushes are of one job
        return [Pushed(StoreOutcome.STORED, item.job_id) for item in items]
    if answer.startswith(b"!"):
        refusal = holds.refusal(answer)
        return [Pushed(StoreOutcome.REFUSED, item.job_id, refusal) for item in items]
    letters, *holders = answer.split(b" ")
    others = map(JobID.from_wire, holders)
    return [
        Pushed(_STORED[letter], item.job_id if letter in _OF_ITS_ID else next(others))
        for item, letter in zip(items, letters, strict=True)
    ]


def from_microseconds(value: bytes | None) -> datetime | None:
    """The time that a number of microseconds since 1970 stands for, or the nearest; `None` if it is no number."""
    number = _number(value)
    if number is None:
        return None
    return _EPOCH + timedelta(microseconds=min(max(number, _FIRST * 1_000_000), _LAST * 1_000_000))


def _number(value: bytes | None) -> float | None:
    """A field of a job's metadata, which others write, too: `None` if it is no number."""
    try:
        number = float(value or b"nan")
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _count(value: bytes | None) -> int | None:
    """The same for a number of times."""
    try:
        return int(value or b"0")
    except ValueError:
        return None


def _span(value: bytes | None) -> timedelta | None:
    number = _number(value)
    return None if number is None else timedelta(microseconds=min(max(number, 0), microseconds(LONGEST_DELAY)))


class _Fields(TypedDict):
    keep_for: timedelta | None
    expires: datetime | None
    unique: Unique | None
    priority: int
    lane: str | None


def _by_name(words: Sequence[bytes]) -> dict[bytes, bytes]:
    """The fields of a job, as the scripts tell them: name, value, name, value, …"""
    return dict(zip(words[::2], words[1::2], strict=True))


def _fields(words: Sequence[bytes]) -> _Fields:
    """Those of them that claims and stored jobs have alike."""
    found = _by_name(words)
    return {
        "keep_for": _span(found.get(b"keep_for")),
        "expires": from_microseconds(found.get(b"expires")),
        "unique": _unique(found) if b"unique" in found else None,
        "priority": _count(found.get(b"priority")) or 0,
        "lane": found[b"lane"].decode(errors="replace") if b"lane" in found else None,
    }


def _unique(found: Mapping[bytes, bytes]) -> Unique | None:
    until = _UNTIL.get(found.get(b"until", b"end")) or _span(found[b"until"]) or "end"
    otherwise = "replace" if found.get(b"otherwise") == b"replace" else "skip"
    try:
        return Unique(unquote(found[b"unique"].decode()), until, otherwise)
    except ValueError:
        return None  # somebody has spoiled it


def from_score(value: bytes) -> datetime:
    """The time that a score, Unix seconds, stands for, or the nearest that there is."""
    return datetime.fromtimestamp(min(max(float(value), _FIRST), _LAST), UTC)


def cursor_of(job_id: bytes, score: bytes) -> str:
    """The cursor that goes on behind a place of a list: others may have written any bytes as an id."""
    return f"{score.decode('latin-1')} {job_id.decode('latin-1')}"


def place_of(cursor: str) -> tuple[bytes, bytes]:
    """The score and the id that a cursor names.

    Raises:
        ValueError: it is no cursor.
    """
    score, _, job_id = cursor.encode("latin-1", "replace").partition(b" ")
    if not _SCORE.fullmatch(score) or _number(score) is None or not job_id:
        raise ValueError(f"{cursor!r} is no cursor of a page: take it from the page before")
    return score, job_id


def retention_argument(policy: RetentionPolicy) -> str:
    """A retention policy, as the scripts take it: the limits of each state."""
    return " ".join(map(_limits, (policy.completed_jobs, policy.failed_jobs, policy.cancelled_jobs)))


def _limits(retention: Retention) -> str:
    age = "" if retention.max_age is None else microseconds(retention.max_age)
    return f"{age}:{'' if retention.max_count is None else retention.max_count}"


def settlement_arguments(settlements: Iterable[Settlement]) -> list[Argument]:
    """Settlements, as `exchange` takes them."""
    arguments: list[Argument] = []
    for settlement in settlements:
        if type(settlement) is Finish and settlement.result is None:
            arguments += ("d", str(settlement.job_id), settlement.token)
            continue
        identity = str(settlement.job_id), settlement.token
        if isinstance(settlement, Finish):
            arguments += ("complete", *identity, settlement.result or b"")
        elif isinstance(settlement, Fail):
            arguments += ("fail", *identity, settlement.error, "1" if settlement.keep else "")
        elif isinstance(settlement, Retry):
            request = _UNCHANGED if settlement.request is None else settlement.request
            if settlement.request is not None and request.startswith(_UNCHANGED):
                request = _UNCHANGED + request
            arguments += ("retry", *identity, request, due_argument(settlement.due), settlement.error or "")
        elif isinstance(settlement, Cancel):
            arguments += ("cancel", *identity, settlement.reason)
        else:
            arguments += ("release", *identity)
    return arguments


def report_arguments(reports: Iterable[Report]) -> list[Argument]:
    """Reports, as `exchange` takes them before its settlements."""
    arguments: list[Argument] = []
    for report in reports:
        given = [name for name in ("progress", "state") if getattr(report, name) is not None]
        identity = str(report.job_id), report.token
        arguments += ("report", *identity, " ".join(given), report.progress or b"", report.state or b"")
    return arguments


def _dues(scores: Iterable[bytes]) -> Iterator[datetime]:
    """When each of some claims was due: jobs that were pushed together have the same."""
    due, score = _EPOCH, b"0"
    for found in scores:
        if found != score:
            score = found
            due = from_score(score)
        yield due


def _claims(flat: Sequence[bytes], lines: Sequence[bytes] | None) -> list[Claim]:
    """Claims, without what is told of some of them; with the priority and the lane of each if there are `lines`."""
    each = zip(map(JobID.from_wire, flat[::4]), flat[1::4], flat[2::4], _dues(flat[3::4]), strict=True)
    if lines is None:
        return [Claim(job_id, token, request, due, due) for job_id, token, request, due in each]
    return [
        Claim(
            *(job_id, token, request, due, due),
            priority=_count(priority) or 0,
            lane=lane.decode(errors="replace") or None,
        )
        for (job_id, token, request, due), priority, lane in zip(each, lines[::2], lines[1::2], strict=True)
    ]


def exchanged(reply: Reply) -> Exchanged:
    """The answer of `exchange`. What others have spoiled of a job's metadata has its default."""
    letters: bytes
    until_next: bytes | None
    flat: list[bytes]
    exceptions: list[tuple[int, bytes, bytes, bytes, bytes | None, *tuple[bytes, ...]]]  # and its fields
    dropped: list[bytes]
    more: list[list[bytes] | None]
    letters, until_next, flat, exceptions, dropped, *more = reply
    for entry in dropped:
        if _ID.fullmatch(entry):
            _logger.warning("job %s was taken from a Swift worker, which has ended it after all", entry.decode())
        else:
            _logger.warning("%r among the pending jobs is no job id, and was removed", entry)
    aborts, lines, *_ = *more, None, None
    claims = _claims(flat, lines)
    for exception in exceptions:
        number, stored, recoveries, reset, error, *fields = exception
        plain = replace(claims[number], **_fields(fields)) if fields else claims[number]
        count = _count(recoveries)
        claims[number] = replace(
            plain,
            # If nobody can count how many workers a job has killed, it is not to kill one more.
            request=None if count is None else plain.request,
            stored_at=from_microseconds(stored) or plain.due,
            recoveries=count or 0,
            reset_attempt=reset == b"1",
            error=error,
            state=_by_name(fields).get(b"state"),
            **holds.told(plain.job_id, _by_name(fields)),
        )
    lock_expired = until_next == b"expired"
    settled, _, noted = letters.partition(b"/")
    outcomes, reported = list(map(_outcome_of, settled)), list(map(_outcome_of, noted))
    seconds = None if until_next is None or lock_expired else float(until_next) / 1_000_000
    aborted = frozenset(aborts) if aborts else _NONE
    return Exchanged(outcomes, reported, claims, seconds, lock_expired, aborted)


def stored_job(reply: Reply) -> StoredJob | None:
    """One job, as `read` returns it; `None` for one that is absent, and for an entry that is no job id."""
    if not reply or not _ID.fullmatch(reply[0]):
        return None
    job_id, state, request, where, due, started, stored, recoveries, reset, error, *more = reply
    status = JobStatus(state.decode())
    waiting = status in (JobStatus.PENDING, JobStatus.PAUSED, JobStatus.WAITING)
    running = status is JobStatus.PROCESSING
    due_at = from_score(where) if waiting else from_score(due) if due else None
    ended_at = None if waiting or running else from_score(where)
    claimed_at = from_microseconds(started) if started else None
    # What was due at once was stored when it was due; for a job that Swift stored, the nearest time that is known.
    stored_at = (from_microseconds(stored) if stored else None) or due_at or ended_at or claimed_at or _EPOCH
    return StoredJob(
        job_id=JobID.from_wire(job_id),
        status=status,
        request=request,
        stored_at=stored_at,
        due=due_at,
        claimed_at=claimed_at,
        worker=where.decode(errors="replace") if running else None,
        ended_at=ended_at,
        recoveries=_count(recoveries) or 0,
        reset_attempt=reset == b"1",
        error=error,
        result=more[0] if more else None,
        progress=_by_name(more[1:]).get(b"progress"),
        runs=tuple(_runs(_by_name(more[1:]).get(b"runs", b""))),
        if_failed="run" if _by_name(more[1:]).get(b"if_failed") == b"run" else "cancel",
        **_fields(more[1:]),
        **holds.told(JobID.from_wire(job_id), _by_name(more[1:])),
    )


def _runs(lines: bytes) -> Iterator[StoredRun]:
    """The runs of a job that came to no good end; a line that somebody has spoiled is none."""
    for line in lines.splitlines():
        time, _, rest = line.partition(b" ")
        worker, failed, error = rest.partition(b" ")
        if (at := from_microseconds(time)) is not None:
            yield StoredRun(at, unquote(worker.decode(errors="replace")), error if failed else None)


def stored_workers(reply: Reply) -> list[StoredWorker]:
    """The workers, as the script returns them, in the order of their ids."""
    words = iter(reply)
    found = zip(words, words, words, words, strict=True)
    return sorted(
        (
            StoredWorker(worker.decode(errors="replace"), about, from_microseconds(ends) or _EPOCH, int(claims))
            for worker, about, ends, claims in found
        ),
        key=lambda each: each.worker,
    )
