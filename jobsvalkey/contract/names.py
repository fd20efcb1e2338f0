"""Names of jobs, which tie stored bytes to the code that runs them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from jobsvalkey.contract.claims import Claim
from jobsvalkey.contract.option_types import check_option

P = TypeVar("P")

# None of these has slots: a frozen dataclass with slots cannot be made as JobName[str](...).


@runtime_checkable
class JobParameters(Protocol):
    """Parameters that say which job they are for. Any type with this attribute will do. It may have a `job_lane` and a
    `job_priority` as well, as class attributes or properties, which count unless the options of a push set others."""

    job_name: ClassVar[str]


@dataclass(frozen=True)
class JobName(Generic[P]):
    """Names a job and the type of its parameters, for types that are not yours, or that serve several jobs."""

    name: str
    parameters: type[P]

    def __post_init__(self) -> None:
        check_option("a job's name", self.name, str)
        if not self.name:
            raise ValueError("a job's name is not empty")

    def with_parameters(self, parameters: P) -> "NamedParameters[P]":
        """Return these parameters for this job, as one value for `push_many`."""
        return NamedParameters(self, parameters)


@dataclass(frozen=True)
class NamedParameters(Generic[P]):
    """Parameters together with the job that they are for."""

    job: JobName[P]
    parameters: P
    keep_for: timedelta | None = field(default=None, compare=False, repr=False)
    """How long the job is kept after its end, unless its options say otherwise; `None`: as long as the queue says."""
    lane: str | None = field(default=None, compare=False, repr=False)
    """The lane of the job, unless its options name one."""


@dataclass(frozen=True)
class ServiceJob(Generic[P]):
    """A job that a driver brings along, such as its cleanup; the runtime registers it."""

    job: JobName[P]
    handler: Callable[[P, Claim], Awaitable[None]]
    """Gets the parameters, and the claim that it runs under."""


AnyServiceJob = ServiceJob[Any]
