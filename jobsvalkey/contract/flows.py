"""The capability `FLOWS`: jobs that wait for others. What a driver records of them, and what it refuses."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from jobsvalkey.contract.claims import Refusal, RefusalKind
from jobsvalkey.contract.job_id import JobID

PARENT_FAILED: Final = (
    b'{"type":"ParentFailed","message":"a job that it comes after did not complete, so it was cancelled",'
    b'"traceback":"","attempt":0}'
)
"""The error of a job that is cancelled because of its parent, in the form in which the runtime records errors."""
MOST_PARENTS: Final = 1000
"""How many parents a job may have."""
MOST_CHILDREN: Final = 1000
"""How many jobs may wait for one parent, and how many for all the jobs that one exchange ends."""

HoldProblem: TypeAlias = Literal["absent", "not_kept", "crowded", "foreign", "no_batch", "decided"]
_SENTENCES: Final[Mapping[HoldProblem, str]] = {
    "absent": "is to run after {other}, which is not there: push that one before, or in the same push before it",
    "not_kept": "is to run after {other}, which may not be kept when it ends: push both together, or give that one "
    "keep_for, so that it does not matter which comes first, its end or this push",
    "crowded": f"is to run after {{other}}, for which {MOST_CHILDREN:,} jobs are waiting already: put a job in between",
    "foreign": "is to run after {other}, which runs in a worker that does not report its end: push {other} again",
    "no_batch": "is to join the batch {other}, which is not there, or is not one: open a batch, and push with its id",
    "decided": "is to join the batch {other}, whose callback is no longer waiting: open another one",
}


def hold_refusal(problem: HoldProblem, job_id: JobID, other: JobID) -> Refusal:
    """Return the refusal of a job that cannot wait for, or be waited for by, another."""
    is_unknown = problem in ("absent", "no_batch")
    kind = RefusalKind.UNKNOWN_PARENT if is_unknown else RefusalKind.IMPOSSIBLE
    return Refusal(kind, f"job {job_id} {_SENTENCES[problem].format(other=other)}")
