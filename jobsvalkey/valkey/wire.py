"""How values cross between Python and the scripts: times, settlements, claims, jobs."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from jobsvalkey.contract import (
    Claim,
    Due,
    Fail,
    Finish,
    JobID,
    JobStatus,
    Outcome,
    Retention,
    RetentionPolicy,
    Retry,
    Settlement,
    StoredJob,
)
from jobsvalkey.valkey.line import Argument, Reply

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OUTCOMES = {ord("s"): Outcome.SETTLED, ord("l"): Outcome.CLAIM_LOST, ord("b"): Outcome.BROKEN}


def microseconds(value: datetime | timedelta) -> int:
    """A time span, or a time since 1970, in whole microseconds."""
    return (value - _EPOCH if isinstance(value, datetime) else value) // _MICROSECOND


def due_argument(due: Due) -> str:
    """When a job is due, as the scripts take it."""
    if due is None:
        return ""
    return f"+{microseconds(due)}" if isinstance(due, timedelta) else str(microseconds(due))


def from_microseconds(value: bytes) -> datetime:
    """The time that a number of microseconds since 1970 stands for."""
    return _EPOCH + timedelta(microseconds=int(value))


def from_score(value: bytes) -> datetime:
    """The time that a score, Unix seconds, stands for."""
    return datetime.fromtimestamp(float(value), UTC)


def retention_arguments(policy: RetentionPolicy) -> list[Argument]:
    """A retention policy, as the scripts take it."""
    arguments: list[Argument] = []
    for retention in (policy.completed_jobs, policy.failed_jobs, policy.cancelled_jobs):
        arguments += _limits(retention)
    return arguments


def _limits(retention: Retention) -> tuple[Argument, Argument]:
    age = "" if retention.max_age is None else microseconds(retention.max_age)
    return age, "" if retention.max_count is None else retention.max_count


def settlement_arguments(settlements: Iterable[Settlement]) -> list[Argument]:
    """Settlements, six words each, as `exchange` takes them."""
    arguments: list[Argument] = []
    for settlement in settlements:
        identity = str(settlement.job_id), settlement.token
        if type(settlement) is Finish:
            arguments += ("f", *identity, "", "", "")
        elif isinstance(settlement, Fail):
            arguments += ("x", *identity, settlement.error, "1" if settlement.keep else "", "")
        elif isinstance(settlement, Retry):
            request = "=" if settlement.request is None else settlement.request
            arguments += ("r", *identity, request, due_argument(settlement.due), settlement.error or "")
        else:
            arguments += ("l", *identity, "", "", "")
    return arguments


def outcomes(letters: bytes) -> list[Outcome]:
    """What became of the settlements."""
    return [_OUTCOMES[letter] for letter in letters]


def claim(reply: Reply) -> Claim:
    """One claim, as `exchange` returns it."""
    job_id, token, request, due, stored, recoveries, reset, error = reply
    return Claim(
        JobID.from_wire(job_id),
        token,
        request,
        from_score(due),
        from_microseconds(stored),
        int(recoveries),
        reset == b"1",
        error,
    )


def stored_job(reply: Reply) -> StoredJob | None:
    """One job, as `read` returns it; `None` for one that is absent."""
    if not reply:
        return None
    job_id, state, request, where, stored, due, started, recoveries, reset, error = reply
    status = JobStatus(state.decode())
    waiting = status in (JobStatus.PENDING, JobStatus.PAUSED)
    running = status is JobStatus.PROCESSING
    due_at = from_score(where) if waiting else from_score(due) if running and due else None
    ended_at = None if waiting or running else from_score(where)
    # A job that Swift stored has no time of storing: when it was due is the nearest that is known.
    stored_at = (
        from_microseconds(stored) if stored else due_at or ended_at or (from_score(started) if started else _EPOCH)
    )
    return StoredJob(
        job_id=JobID.from_wire(job_id),
        status=status,
        request=request,
        stored_at=stored_at,
        due=due_at,
        claimed_at=from_score(started) if running and started else None,
        worker=where.decode() if running else None,
        ended_at=ended_at,
        recoveries=int(recoveries or 0),
        reset_attempt=reset == b"1",
        error=error,
    )
