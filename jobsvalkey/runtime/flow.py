"""Jobs that are pushed together, and run in a given order."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from jobsvalkey.contract import JobID, JobParameters, NamedParameters
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime.job import JobOptions, Push, parse_parents, unpack_job

_DEFAULT_OPTIONS = JobOptions()


class FlowJob:
    """A job of a flow, which others of the flow can come after. Made by `Flow.add`."""

    __slots__ = ("flow", "number")

    def __init__(self, flow: "Flow", number: int) -> None:
        self.flow: Flow = flow
        """The flow that it belongs to."""
        self.number: int = number
        """Its place in the flow, and in what `push_flow` returns; counts from 0."""

    def __repr__(self) -> str:
        return f"<job {self.number} of a flow>"


Parent: TypeAlias = FlowJob | JobID | UUID | str
"""A job of the same flow, or the id of one that is stored."""


class Flow:
    """Jobs that wait for others: `push_flow` stores them all in one step.

    It may be pushed as often as you like: each time its jobs have new ids.
    """

    def __init__(self) -> None:
        self._jobs: list[tuple[Push, list[FlowJob]]] = []

    def add(
        self,
        job: JobParameters | NamedParameters[Any] | Push,
        /,
        *,
        after: Iterable[Parent] = (),
        options: JobOptions = _DEFAULT_OPTIONS,
    ) -> FlowJob:
        """Add a job.

        Args:
            job: parameters with a `job_name`, `JobName.with_parameters(...)`, a task's `with_parameters(...)`, or
                either in a `Push` with its options.
            after: jobs that have to end before it runs: the return values of earlier calls, or ids of stored jobs.
                `if_failed` in the options says what happens if one of them does not complete.
            options: unless the job is a `Push`.

        Raises:
            InvalidParameters: the parameters do not name a job.
            TypeError: `after` is not a list of jobs and ids.
            ValueError: `after` has a job of another flow, or something that is not an id; or `if_failed` is set without
                `after`.
        """
        check_option("options", options, JobOptions)
        push = job if isinstance(job, Push) else Push(job, options)
        unpack_job(push.job)
        if isinstance(after, str | bytes | FlowJob) or not isinstance(after, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"after is a list, such as [{after!r}], not {after!r}")
        within, ids = list[FlowJob](), list[JobID | UUID | str](push.options.after)
        for parent in after:
            if not isinstance(parent, FlowJob):
                ids.append(parent)
            elif parent.flow is self:
                within.append(parent)
            else:
                raise ValueError(f"{parent!r} is of another flow: add both to one, or push that one and give its id")
        if push.options.if_failed != "cancel" and not within and not ids:
            raise ValueError("if_failed says what becomes of a job whose parents do not complete: give after as well")
        self._jobs.append((Push(push.job, push.options.with_parents(parse_parents(ids))), within))
        return FlowJob(self, len(self._jobs) - 1)

    @property
    def jobs(self) -> Sequence[tuple[Push, Sequence[FlowJob]]]:
        """The jobs, in the order in which they were added, each with its parents in the flow.

        Parents that are given by their ids are in its options.
        """
        return tuple(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)
