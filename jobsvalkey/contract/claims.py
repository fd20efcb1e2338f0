"""The values that pass between a driver and its caller: jobs to store, claims, and the settlements that end them.

These are `msgspec` structs if one is made per job, since they are made by the ten thousand a second.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec

from jobsvalkey.contract.durability import Durability
from jobsvalkey.contract.inputs import BatchCounts, Input
from jobsvalkey.contract.job_id import JobID
from jobsvalkey.contract.unique import Unique

WorkerID: TypeAlias = str
"""Names one run of a processor: a fresh random id, never a host's name."""

Due: TypeAlias = datetime | timedelta | None
"""When a job may run: at an aware datetime, after a time that the store adds to its own clock, or now."""


@dataclass(frozen=True, slots=True)
class Operation:
    """The number of a writing step. A repeat of the producer's last one is answered from memory, not done again."""

    producer: str
    sequence: int


class _Job(msgspec.Struct, frozen=True, gc=False):
    job_id: JobID
    request: bytes
    due: Due = None
    remember: bool = False
    """Whether the id came from a user, so that it is remembered once the job is gone."""


class NewJob(_Job, frozen=True, gc=False, kw_only=True):
    """A job to store. Each field that is given by keyword needs a capability, and is stored with the job."""

    keep_for: timedelta | None = None
    """How long the job is kept after its end, at least, whatever the retention policy says."""
    expires: Due = None
    """At this time the job is cancelled unless it is running then, even if it ran before; `None`: never."""
    priority: int = 0
    """From -100 to 100; higher goes first."""
    lane: str | None = None
    """Names the lane that the job waits in, which takes turns with the others of its priority."""
    unique: Unique | None = None
    """The name that the job holds alone."""
    after: tuple[JobID, ...] = ()
    """Jobs that have to end before this one may run: present, or earlier in the same push."""
    if_failed: Literal["cancel", "run"] = "cancel"
    """Says what happens to the job if one of those does not complete."""
    batch: JobID | None = None
    """The callback of the batch that the job belongs to. A job that names itself is such a callback."""
    durability: Durability | None = None
    """The demand to meet before the push returns; `None`: that of the driver's configuration. It is not stored."""


class StoreOutcome(StrEnum):
    """The outcome of a push for one job."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """The id, or the unique name, is taken or remembered: nothing was stored."""
    REPLACED = "replaced"
    """The job that held the unique name has what this one asked for."""
    REFUSED = "refused"
    """Nothing of the push was stored; `reason` says why."""
    UNEXPECTED = "unexpected"
    """Only for `push_if`: the metadata did not hold what was expected, and nothing changed."""


class RefusalKind(StrEnum):
    """The kind of error that a refusal becomes for the caller."""

    UNKNOWN_PARENT = "unknown_parent"
    UNSUPPORTED = "unsupported"
    IMPOSSIBLE = "impossible"
    """Anything else that will be refused again: a `ConfigurationError`."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why a push was refused."""

    kind: RefusalKind
    message: str
    """A sentence that says what is wrong and what to do."""


class Pushed(msgspec.Struct, frozen=True, gc=False):
    """The answer to the push of one job."""

    outcome: StoreOutcome
    job_id: JobID
    """The job that exists now: the new one, or, for a duplicate or a replacement, the one that was there."""
    reason: Refusal | None = None


class PushedIf(Pushed, frozen=True, gc=False):
    """The answer of `push_if`. For a duplicate the metadata moved all the same."""


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A worker's right to run one job, with the request and the envelope as they are stored."""

    job_id: JobID
    token: bytes
    """Names the claim among all that its worker ever holds. Together with the worker's id it is never used again."""
    request: bytes | None
    """The request as it was pushed; `None` if the store has lost it, or holds something else in its place."""
    due: datetime
    """When the job was due."""
    stored_at: datetime
    """When the job was stored."""
    recoveries: int = 0
    """How many workers have died with this job since a run of it last came to an end."""
    reset_attempt: bool = False
    """Whether the job was rerun: it starts at attempt 1 again."""
    error: bytes | None = None
    """The record of the last failure."""
    keep_for: timedelta | None = None
    """How long the job is kept after its end, at least."""
    state: bytes | None = None
    """The last state that a handler of the job has reported; `None` if none has since the job was pushed or rerun."""
    unique: Unique | None = None
    """The name that the job was pushed with. `until` says whether the job still holds it."""
    expires: datetime | None = None
    """At this time the job is cancelled unless a worker has it. Then it may end, but will not run again."""
    priority: int = 0
    """From -100 to 100; higher goes first."""
    lane: str | None = None
    """The lane that the job waits in while it is pending."""
    after: tuple[JobID, ...] = ()
    """Its parents."""
    inputs: tuple[Input, ...] = ()
    """Those of its parents that had ended when it was let go, in the order of `after`, with their results."""
    batch: JobID | None = None
    """The callback of the batch that it belongs to; for a callback its own id."""
    members: BatchCounts | None = None
    """For a callback: what became of the members of its batch."""


class Finish(msgspec.Struct, frozen=True, gc=False):
    """The job ran to its end. `result` is stored with it if it is kept; that needs the capability `RESULTS`."""

    job_id: JobID
    token: bytes
    result: bytes | None = None


class Fail(msgspec.Struct, frozen=True, gc=False):
    """The job has failed for good. `keep` keeps it whatever the retention policy says, as a tombstone if its request is
    lost."""

    job_id: JobID
    token: bytes
    error: bytes
    keep: bool = False


class Retry(msgspec.Struct, frozen=True):
    """The job goes back into the queue, with a new request, or (`None`) with the one that it has.

    Its `recoveries` and `reset_attempt` are cleared: a handler that ended did not kill its worker.
    """

    job_id: JobID
    token: bytes
    request: bytes | None = None
    due: Due = None
    error: bytes | None = None
    """The error to record as the last failure; `None` leaves what is there."""


class Release(msgspec.Struct, frozen=True, gc=False):
    """The job goes back into the queue as it was claimed, due when it was due before."""

    job_id: JobID
    token: bytes


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """The job ends as cancelled, as somebody has asked. For drivers that support `ABORT`."""

    job_id: JobID
    token: bytes
    reason: bytes = b""
    """Is recorded as the error; empty leaves what is there."""


Settlement: TypeAlias = Finish | Fail | Retry | Release | Cancel


class AbortOutcome(StrEnum):
    """The answer to a request to end a job."""

    CANCELLED = "cancelled"
    """It had not run, and will not."""
    REQUESTED = "requested"
    """It runs. Its worker is told, and however the claim ends, the job does not run again."""
    NOTHING = "nothing"
    """It has ended, is not there, or runs in a worker that cannot be told: nothing changed."""


class Report(msgspec.Struct, frozen=True, gc=False):
    """News of a job from its running handler: a progress, a state, or both. The claim stays."""

    job_id: JobID
    token: bytes
    progress: bytes | None = None
    """Replaces the progress that is shown for the job, at most 1 KiB; `None` leaves it."""
    state: bytes | None = None
    """Replaces the state that comes with the next claim of the job, at most `max_payload`; `None` leaves it."""


class SettleOutcome(StrEnum):
    """The outcome of one settlement or report."""

    SETTLED = "settled"
    CLAIM_LOST = "claim_lost"
    """The claim is not held, or not any more; nothing changed."""
    BROKEN = "broken"
    """A key of the job has the wrong type; nothing changed, the claim is still held. `Fail(keep=True)` ends it."""
    AGAIN = "again"
    """Too many jobs wait for the jobs that this exchange ends; nothing changed, the claim is still held: settle it
    again."""


class Exchanged(msgspec.Struct, frozen=True):
    """The answer of an exchange."""

    outcomes: list[SettleOutcome]
    """One for each settlement, in order."""
    reported: list[SettleOutcome]
    """One for each report, in order."""
    claims: list[Claim]
    """The new claims, earliest due first."""
    until_next: float | None = None
    """Seconds until an exchange could claim a job, or end an expired one: 0 only if one could do so now.

    `None` if there is no such job. While the queue is paused nothing is claimed, so only expiries count. Under an
    expired lock it is `None`, too, since nothing is claimed before a renewal.
    """
    lock_expired: bool = False
    """Whether the worker's lock has run out, so that nothing was claimed."""
    aborts: frozenset[bytes] = frozenset()
    """The tokens of held claims that are to be aborted."""


class Renewed(msgspec.Struct, frozen=True):
    """The answer of a renewal."""

    tokens: frozenset[bytes]
    """The claims that the worker holds. One that is not among them was taken away."""
    aborts: frozenset[bytes] = frozenset()
    """Those of them that are to be aborted."""
