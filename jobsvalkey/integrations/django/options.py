"""The `OPTIONS` of the backend, as `settings.py` has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

from jobsvalkey.blocking import BlockingJobQueue
from jobsvalkey.contract.option_types import check_types
from jobsvalkey.middleware import Middleware
from jobsvalkey.runtime import NoRetry, ProcessorOptions, RetryStrategy
from jobsvalkey.runtime.retry import check_strategy
from jobsvalkey.valkey import ValkeyConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendOptions:
    """The settings of a backend.

    Raises:
        TypeError: a value is of another type.
        ValueError: a value is out of range.
        ConfigurationError: it is not the URL of a server.
    """

    url: str
    """The server: `valkey://HOST:PORT`, `valkeys://HOST:PORT` for TLS, or `unix:///PATH`."""
    queue_key: str = "django"
    """Each of Django's queues is stored under this key, a colon and its name."""
    keep_result: timedelta = timedelta(days=1)
    """How long a result can be looked at after the task has ended."""
    retry_strategy: RetryStrategy = field(default_factory=NoRetry)
    """Says whether a task that has failed runs again, and when; by default it does not."""
    processor: ProcessorOptions = field(default_factory=ProcessorOptions)
    """How a worker runs tasks."""
    configuration: ValkeyConfiguration = field(default_factory=ValkeyConfiguration)
    """The driver's settings, except the queue's key."""
    middleware: Sequence[Middleware] = ()
    """Runs around each task, the first one outermost."""
    outbox: str | None = None
    """The alias of a database in whose transactions tasks are enqueued; `None`: they are sent to the server at once."""

    def __post_init__(self) -> None:
        check_types(self)
        check_strategy("retry_strategy", self.retry_strategy)
        if self.keep_result <= timedelta(0):
            raise ValueError(f"keep_result is a time above zero, not {self.keep_result}")
        # It makes nothing that lasts, and says what is wrong.
        BlockingJobQueue.from_url(self.url, configuration=self.configuration, middleware=self.middleware)

    def configuration_of(self, queue: str) -> ValkeyConfiguration:
        """Return the settings of the driver for one of Django's queues.

        Raises:
            ValueError: its name, or the queue key, begins or ends with white space.
        """
        return replace(self.configuration, queue_key=f"{self.queue_key}:{queue}")


def read_options(given: Mapping[str, Any]) -> BackendOptions:
    """Return the options that are given.

    Raises:
        TypeError, ValueError, ConfigurationError: they cannot be used; the message says which one, and why.
    """
    known = [each.name for each in fields(BackendOptions)]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(f"there is no option {unknown[0]!r}: the options are {', '.join(known)}")
    if "url" not in given:
        raise ValueError('an option "url" is needed, which names the server, such as "valkey://localhost:6379"')
    return BackendOptions(**given)
