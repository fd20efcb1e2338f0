"""What passes between a driver and its caller: jobs to store, claims, and the settlements that end them.

These are `msgspec` structs where one is made per job, since they are made by the ten thousand a second.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import msgspec

from jobsvalkey.contract.job_id import JobID

WorkerID: TypeAlias = str
"""Names one run of a processor: a fresh random id, never a host's name."""

Due: TypeAlias = datetime | timedelta | None
"""When a job may run: at an aware datetime, after a time that the store adds to its own clock, or now."""


@dataclass(frozen=True, slots=True)
class Operation:
    """The number of a writing step. A repeat of the producer's last one is answered from memory, not done again."""

    producer: str
    sequence: int


class NewJob(msgspec.Struct, frozen=True, gc=False):
    """A job to store."""

    job_id: JobID
    request: bytes
    due: Due = None
    remember: bool = False
    """Whether the id came from a user, so that it is remembered once the job is gone."""


class Claim(msgspec.Struct, frozen=True):
    """A worker's right to run one job, with the request and the envelope as they are stored."""

    job_id: JobID
    token: bytes
    """Names the claim among all that its worker ever held; with the worker's id, never used again."""
    request: bytes | None
    """What was pushed; `None` where the store has lost it, or holds something else in its place."""
    due: datetime
    """When the job was due."""
    stored_at: datetime
    """When the job was stored."""
    recoveries: int = 0
    """How many workers died with this job since a handler of it last came to an end."""
    reset_attempt: bool = False
    """Whether the job was rerun: it starts at attempt 1 again."""
    error: bytes | None = None
    """What the last failure recorded."""


class Finish(msgspec.Struct, frozen=True, gc=False):
    """The job ran to its end."""

    job_id: JobID
    token: bytes


class Fail(msgspec.Struct, frozen=True, gc=False):
    """The job gave up. `keep` keeps it whatever the retention policy says; a lost request then leaves a tombstone."""

    job_id: JobID
    token: bytes
    error: bytes
    keep: bool = False


class Retry(msgspec.Struct, frozen=True):
    """The job goes back into the queue, with a new request, or (`None`) with the one it has.

    Its `recoveries` and `reset_attempt` are cleared: a handler that ended did not kill its worker.
    """

    job_id: JobID
    token: bytes
    request: bytes | None = None
    due: Due = None
    error: bytes | None = None
    """What is recorded as the last failure; `None` leaves what is there."""


class Release(msgspec.Struct, frozen=True, gc=False):
    """The job goes back into the queue as it was claimed, due when it was due before."""

    job_id: JobID
    token: bytes


Settlement: TypeAlias = Finish | Fail | Retry | Release


class Outcome(StrEnum):
    """What became of one settlement."""

    SETTLED = "settled"
    CLAIM_LOST = "claim_lost"
    """The claim is not held (any more); nothing changed."""
    BROKEN = "broken"
    """A key of the job has the wrong type; nothing changed, the claim is still held. `Fail(keep=True)` ends it."""


class Exchanged(msgspec.Struct, frozen=True):
    """The answer of an exchange."""

    outcomes: list[Outcome]
    """One for each settlement, in order."""
    claims: list[Claim]
    """The new claims, earliest due first."""
    until_next: float | None = None
    """Seconds until the next job that is still pending is due, 0 where one is; `None` where none is pending."""


class PushedIf(StrEnum):
    """What `push_if` did."""

    PUSHED = "pushed"
    DUPLICATE = "duplicate"
    """The id is there, or remembered: the metadata moved all the same."""
    UNEXPECTED = "unexpected"
    """The metadata did not hold what was expected: nothing changed."""
