"""The jobs that can run here, by name, with all that can be worked out before the first one arrives."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
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
    """The jobs of one queue."""

    def __init__(self, default_retry_strategy: RetryStrategy, values: Values) -> None:
        self._jobs: dict[str, RegisteredJob] = {}
        self._default_retry_strategy = default_retry_strategy
        self._values: Values = values
        self.kept: dict[str, timedelta] = {}
        """How long the results of a job are kept, unless its options say so; by its name."""

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
        if name in self._jobs and not replace:
            raise DuplicateJob(
                f"a job named {name!r} is registered already: a queue has one handler for each name, and "
                "replace_job puts another one in its place"
            )
        try:
            decode = make_decoder(definition.parameters, self._values)
        except (TypeError, NameError) as error:
            raise ConfigurationError(
                f"the parameters of job {name!r} cannot be decoded as they were pushed: {error}"
            ) from error
        handler: Any = definition.handler
        self._jobs[name] = RegisteredJob(
            name=name,
            handler=handler,
            is_coroutine=inspect.iscoroutinefunction(handler)
            or inspect.iscoroutinefunction(getattr(handler, "__call__", None)),  # noqa: B004 - an object's own
            decode=decode,
            retry_strategy=definition.retry_strategy or self._default_retry_strategy,
            timeout=None if definition.timeout is None else definition.timeout.total_seconds(),
            needs=needs,
            results=ResultCodec(returned_type(handler), self._values),
        )
        if definition.keep_result is not None:
            self.kept[name] = definition.keep_result
        else:
            self.kept.pop(name, None)

    def get(self, name: str) -> RegisteredJob | None:
        """The job of that name, if there is one."""
        return self._jobs.get(name)

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
        try:
            return self._jobs[name]
        except KeyError:
            raise UnknownJob(f"no job named {name!r} is registered: register it with this worker's queue") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._jobs)
