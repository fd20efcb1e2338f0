"""A job and the jobs that it waits or has waited for, as a tree, for those who look at a flow."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobsvalkey.contract import JobID, JobStatus
from jobsvalkey.runtime.queue import JobQueue
from jobsvalkey.runtime.record import JobRecord

_AT_ONCE = 50
"""Jobs that are asked for together."""


@dataclass(frozen=True, slots=True)
class TreeLine:
    """A job in the tree."""

    job_id: JobID
    branch: str
    """The signs before it: `│  └─ `."""
    record: JobRecord | None
    """The job; `None` if it is not there any more, or was not looked at."""
    ended: JobStatus | None
    """How a job that is not there ended, if its child knows."""
    is_removed: bool
    """Whether its child knows that it was removed before it ended."""
    is_repeated: bool
    """Whether it was shown further up, with what it waited for."""


async def look_at_flow(queue: JobQueue[Any], first: JobID, most: int | None = None) -> dict[JobID, JobRecord | None]:
    """Return a job and all that it waits or has waited for, each once, the closest first.

    Args:
        queue: where they are.
        first: the job.
        most: how many to look at; `None` for all.
    """
    found, seen, wanted = dict[JobID, JobRecord | None](), {first}, [first]
    while wanted and (most is None or len(found) < most):
        size = _AT_ONCE if most is None else min(_AT_ONCE, most - len(found))
        ids, wanted = wanted[:size], wanted[size:]
        records = await asyncio.gather(*map(queue.get, ids))
        found |= zip(ids, records, strict=True)
        for parent in (parent for record in records if record is not None for parent in record.after):
            if parent not in seen:
                seen.add(parent)
                wanted.append(parent)
    return found


def lines_of(first: JobID, found: Mapping[JobID, JobRecord | None]) -> Iterator[TreeLine]:
    """Yield the tree line by line. Parents that were not looked at are left out."""
    shown = set[JobID]()
    left: list[tuple[JobID, str, str, JobRecord | None]] = [(first, "", "", None)]
    while left:
        job_id, branch, below, child = left.pop()
        record, is_repeated = found[job_id], job_id in shown
        ended: Mapping[JobID, JobStatus | None] = {} if child is None else child.ended_parents
        is_gone = record is None
        yield TreeLine(
            job_id,
            branch,
            record,
            ended=ended.get(job_id) if is_gone else None,
            is_removed=is_gone and job_id in ended and ended[job_id] is None,
            is_repeated=is_repeated,
        )
        if record is None or is_repeated:
            continue
        shown.add(job_id)
        parents = [parent for parent in record.after if parent in found]
        for parent in reversed(parents):
            is_last = parent == parents[-1]
            left.append((parent, below + ("└─ " if is_last else "├─ "), below + ("   " if is_last else "│  "), record))
