"""How jobs that wait for others cross between Python and the scripts: what holds them, and what they are told."""

from collections.abc import Iterator, Mapping
from typing import TypedDict, cast

from jobsvalkey.contract import BatchCounts, HoldProblem, Input, JobID, JobStatus, NewJob, Refusal, hold_refusal

_STATUSES = {str(status).encode(): status for status in JobStatus}


def fields_of(item: NewJob) -> Iterator[tuple[str, object]]:
    """The fields that say what holds a new job."""
    if item.after:
        yield "after", ",".join(map(str, item.after))
        if item.if_failed != "cancel":
            yield "if_failed", item.if_failed
    if item.batch is not None:
        yield "batch", item.batch


def refusal(answer: bytes) -> Refusal:
    """The refusal that a push is answered with: `!`, the problem, the job and the other one."""
    problem, job_id, other = answer[1:].decode().split()
    return hold_refusal(cast("HoldProblem", problem), JobID(job_id), JobID(other))


class Told(TypedDict):
    """The fields of claims and of stored jobs about what holds, or has held, a job."""

    after: tuple[JobID, ...]
    inputs: tuple[Input, ...]
    batch: JobID | None
    members: BatchCounts | None


_NOTHING: Told = {"after": (), "inputs": (), "batch": None, "members": None}


def told(job_id: JobID, found: Mapping[bytes, bytes]) -> Told:
    """The same, from the fields of a job by their names. What somebody has spoiled is left out."""
    if b"after" not in found and b"batch" not in found:
        return _NOTHING
    after = tuple(_ids(found.get(b"after", b"")))
    inputs = tuple(
        Input(parent, _STATUSES.get(end.split(b" ")[0]), found.get(b"r." + str(parent).encode()))
        for parent in after
        if (end := found.get(b"p." + str(parent).encode())) is not None
    )
    batch = next(_ids(found.get(b"batch", b"")), None)
    members = _counts(found) if batch == job_id else None
    return {"after": after, "inputs": inputs, "batch": batch, "members": members}


def _ids(words: bytes) -> Iterator[JobID]:
    for word in words.split(b",") if words else ():
        try:
            yield JobID.parse(word.decode(errors="replace"))
        except ValueError:
            continue


def _counts(found: Mapping[bytes, bytes]) -> BatchCounts:
    numbers = (found.get(name, b"0") for name in (b"completed", b"failed", b"cancelled"))
    return BatchCounts(*(int(number) if number.isdigit() else 0 for number in numbers))
