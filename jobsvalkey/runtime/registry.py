"""The jobs that can run here, by name, with everything that can be prepared before the first one arrives."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from types import MappingProxyType
from typing import Any

from jobsvalkey.contract import ConfigurationError, DuplicateJob, UnknownJob
from jobsvalkey.runtime.codec import RequestDecoder, make_decoder
from jobsvalkey.runtime.job import JobDefinition
from jobsvalkey.runtime.result_values import ResultCodec, returned_type
from jobsvalkey.runtime.retry import RetryStrategy
from jobsvalkey.runtime.state import State
from jobsvalkey.runtime.values import Values

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RegisteredJob:
    """A job's definition, ready to run."""

    name: str
    handler: Callable[[Any, Any], Any]
    is_coroutine: bool
    """Whether the handler runs in the event loop; otherwise it gets a thread."""
    decode: RequestDecoder
    retry_strategy: RetryStrategy
    timeout: float | None
    """Seconds."""
    needs: Mapping[str, Any]
    """The types of what its function is given of the state, by the names of its parameters."""
    results: ResultCodec
    """Writes and reads what the handler returns."""


class JobRegistry:
    """The jobs of one queue, or of several that share them."""

    def __init__(self, default_retry_strategy: RetryStrategy, values: Values) -> None:
        self._jobs: dict[str, RegisteredJob] = {}
        self._driver_jobs: dict[str, RegisteredJob] = {}
        """Those of the queue's driver, which no other queue shares."""
        self._default_retry_strategy = default_retry_strategy
        self.values: Values = values
        """The form of the values of parameters, results and saved states."""
        self.kept: dict[str, timedelta] = {}
        """How long the results of a job are kept, unless its options say so; by its name."""
        self.state_types: frozenset[Any] = frozenset()
        """The types of a task's parameters that are given by the state."""

    def shared(self) -> "JobRegistry":
        """Return the registry of one more queue: whatever is added to either is in both, but for the drivers' jobs."""
        shared = JobRegistry(self._default_retry_strategy, self.values)
        shared._jobs, shared.kept, shared.state_types = self._jobs, self.kept, self.state_types
        return shared

    def join(self, shared: "JobRegistry") -> None:
        """Have from now on what a registry has that another queue has `shared`.

        Raises:
            ConfigurationError: there are jobs here already, or values are written differently.
        """
        jobs, values = shared._jobs, shared.values  # noqa: SLF001 - of the same class
        if self._jobs and self._jobs is not jobs:
            named = f"jobs of its own ({', '.join(self._jobs)})"
            raise ConfigurationError(f"a part of a queue has {named}: register at the PartitionedQueue")
        if self.values != values:
            raise ConfigurationError(f"parts of a queue write values alike: give each values={values!r}")
        self._jobs, self.kept, self.state_types = jobs, shared.kept, shared.state_types
        self._default_retry_strategy = shared._default_retry_strategy  # noqa: SLF001

    def add_of_driver(self, definition: JobDefinition[Any]) -> None:
        """Register a job that the driver runs."""
        self._driver_jobs[definition.name] = self._registered(definition, _NOTHING)

    def add(
        self, definition: JobDefinition[Any], *, replace: bool = False, needs: Mapping[str, Any] = _NOTHING
    ) -> None:
        """Register a job, with `replace` also in place of another one of its name.

        It `needs` parts of the state, by their types.

        Raises:
            DuplicateJob: one of that name is registered already.
            ConfigurationError: its parameters are of a type that cannot be decoded.
        """
        name = definition.name
        if self.get(name) is not None and not replace:
            raise DuplicateJob(
                f"a job named {name!r} is registered already: a queue has one handler for each name, and "
                "replace_job puts another one in its place"
            )
        # One that is put in the place of the driver's is the user's from then on.
        registered = self._registered(definition, needs)
        self._driver_jobs.pop(name, None)
        self._jobs[name] = registered
        if definition.keep_result is not None:
            self.kept[name] = definition.keep_result
        else:
            self.kept.pop(name, None)

    def _registered(self, definition: JobDefinition[Any], needs: Mapping[str, Any]) -> RegisteredJob:
        name = definition.name
        try:
            decode = make_decoder(definition.parameters, self.values)
        except (TypeError, NameError) as error:
            raise ConfigurationError(
                f"the parameters of job {name!r} cannot be decoded as they were pushed: {error}"
            ) from error
        handler: Any = definition.handler
        return RegisteredJob(
            name=name,
            handler=handler,
            is_coroutine=inspect.iscoroutinefunction(handler)
            or inspect.iscoroutinefunction(getattr(handler, "__call__", None)),  # noqa: B004 - an object's own
            decode=decode,
            retry_strategy=definition.retry_strategy or self._default_retry_strategy,
            timeout=None if definition.timeout is None else definition.timeout.total_seconds(),
            needs=needs,
            results=ResultCodec(returned_type(handler), self.values),
        )

    def get(self, name: str) -> RegisteredJob | None:
        """The job of that name, if there is one."""
        return self._jobs.get(name) or self._driver_jobs.get(name)

    def check_state(self, state: State) -> None:
        """Check that the state has what all jobs need.

        Raises:
            ConfigurationError: it does not.
        """
        for job in self._jobs.values():
            for parameter, kind in job.needs.items():
                try:
                    state.find(kind)
                except ConfigurationError as error:
                    raise ConfigurationError(f"task {job.name!r} cannot be given {parameter!r}: {error}") from None

    def find(self, name: str) -> RegisteredJob:
        """The job of that name.

        Raises:
            UnknownJob: there is none.
        """
        job = self._jobs.get(name) or self._driver_jobs.get(name)
        if job is None:
            raise UnknownJob(f"no job named {name!r} is registered: register it with this worker's queue")
        return job

    def __iter__(self) -> Iterator[str]:
        return chain(self._driver_jobs, self._jobs)
