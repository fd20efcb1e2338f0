"""The options of a cleanup, in the form in which a Swift service reads and writes it.

A cleanup can be a job, and on a shared queue a Swift worker may claim that job. So both sides spell it alike:
`{"failedJobs": {"rawValue": {"remove": {"maxAge": [0, 1500000000000000000]}}}, ...}`. An age is two numbers, the
high and the low 64 bits of its attoseconds.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final, Literal, Self, TypeAlias

import msgspec

from jobsvalkey.contract.option_types import check_option, check_types

Action: TypeAlias = Literal["nothing", "rerun", "remove"]

NO_LIMIT: Final = 2**63 - 1
"""As many jobs as there are; Swift's largest number."""

_MICROSECOND = timedelta(microseconds=1)
_ATTOSECONDS = 10**12
"""In a microsecond."""
_LOW = 2**64


class _Which(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True):
    """Which jobs of a state: those of some age, or all."""

    max_age: tuple[int, int] | None = None


class _Spelled(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One of three keys, which says what is done."""

    nothing: _Which | None = msgspec.field(default=None, name="doNothing")
    rerun: _Which | None = None
    remove: _Which | None = None


@dataclass(frozen=True, slots=True, init=False, repr=False)
class JobCleanup:
    """Says what a cleanup does to the jobs of one state that are at least `max_age` old (`None`: to all of them).

    Raises:
        ValueError: the action is none of these, or the age is below zero.
    """

    rawValue: _Spelled  # noqa: N815 - as Swift spells it

    DO_NOTHING: ClassVar[Self]
    """Leave them."""
    RERUN: ClassVar[Self]
    """Put them back into the queue, due now, at attempt 1."""

    def __init__(self, action: Action, max_age: timedelta | None = None) -> None:
        check_option("a cleanup's action", action, Action)
        check_option("max_age", max_age, timedelta | None)
        if max_age is not None and max_age < timedelta(0):
            raise ValueError(f"max_age is how old a job is at least, not {max_age}: leave it out for all jobs")
        spelled = None if max_age is None else divmod(max_age // _MICROSECOND * _ATTOSECONDS, _LOW)
        object.__setattr__(self, "rawValue", _Spelled(**{action: _Which(spelled)}))

    def __post_init__(self) -> None:
        # Called for what is read from a stored job.
        if len(self._given) != 1:
            raise ValueError("a cleanup is one of doNothing, rerun and remove")

    @property
    def _given(self) -> list[tuple[Action, _Which]]:
        every: tuple[tuple[Action, _Which | None], ...] = (
            ("nothing", self.rawValue.nothing),
            ("rerun", self.rawValue.rerun),
            ("remove", self.rawValue.remove),
        )
        return [(action, which) for action, which in every if which is not None]

    @property
    def action(self) -> Action:
        """The action: whether the jobs are removed, rerun or left alone."""
        return self._given[0][0]

    @property
    def max_age(self) -> timedelta | None:
        """How old a job has to be at least; `None`: any age. An age from another program is cut to the largest possible
        one."""
        spelled = self._given[0][1].max_age
        if spelled is None:
            return None
        microseconds = max((spelled[0] * _LOW + spelled[1]) // _ATTOSECONDS, 0)
        return min(microseconds, timedelta.max // _MICROSECOND) * _MICROSECOND

    def __repr__(self) -> str:
        return f"{type(self).__name__}(action={self.action!r}, max_age={self.max_age!r})"

    @classmethod
    def remove(cls, *, max_age: timedelta | None = None) -> Self:
        """Remove them."""
        return cls("remove", max_age)

    @classmethod
    def rerun(cls, *, max_age: timedelta | None = None) -> Self:
        """Put those that are old enough back into the queue."""
        return cls("rerun", max_age)


JobCleanup.DO_NOTHING = JobCleanup("nothing")
JobCleanup.RERUN = JobCleanup("rerun")


class CleanupParameters(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Says what one cleanup does, state by state. Also the parameters of a driver's `cleanup_job`.

    `only_orphans` limits `processing_jobs` to the jobs of workers whose lock has run out. Age counts from the end of a
    finished job, from the claim of a running one, and from when it was stored for a pending or paused one.

    Raises:
        ValueError: it would rerun pending or paused jobs, which have not run.
    """

    pending_jobs: JobCleanup = JobCleanup.DO_NOTHING
    processing_jobs: JobCleanup = JobCleanup.DO_NOTHING
    completed_jobs: JobCleanup = JobCleanup.DO_NOTHING
    failed_jobs: JobCleanup = JobCleanup.DO_NOTHING
    cancelled_jobs: JobCleanup = JobCleanup.DO_NOTHING
    paused_jobs: JobCleanup = JobCleanup.DO_NOTHING
    only_orphans: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        for state, cleanup in (("pending", self.pending_jobs), ("paused", self.paused_jobs)):
            if cleanup.action == "rerun":
                raise ValueError(
                    f"{state} jobs cannot be rerun: they have not run; use JobCleanup.remove() or DO_NOTHING"
                )


class OrphanedCleanupParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a driver's `orphan_cleanup_job`."""

    max_jobs: int | None = msgspec.field(default=NO_LIMIT, name="maxJobsToProcess")
    """How many jobs at most; by default, and for `None`, all of them."""

    def __post_init__(self) -> None:
        if self.max_jobs is None:
            msgspec.structs.force_setattr(self, "max_jobs", NO_LIMIT)
