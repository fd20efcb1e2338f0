"""The queues that a dashboard shows, and what it shows of their jobs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from jobsvalkey.contract import Capability, ConfigurationError
from jobsvalkey.runtime import JobQueue, JobRecord

AnyQueue: TypeAlias = JobQueue[Any]
Queues: TypeAlias = AnyQueue | Sequence[AnyQueue] | Mapping[str, AnyQueue]
Parameters: TypeAlias = Literal["show", "hide"] | Callable[[JobRecord], str]
HIDDEN: Final = "(hidden)"


def by_name(queues: Queues) -> dict[str, AnyQueue]:
    """Return the queues by the names under which they are shown: their keys, unless they are named.

    Raises:
        ConfigurationError: there is none, two have the same key, or a driver cannot be looked into.
    """
    if isinstance(queues, JobQueue):
        queues = [queues]
    if isinstance(queues, Mapping):
        named = dict(queues)
    else:
        named = {queue.driver.configuration.queue_key: queue for queue in queues}
        if len(named) < len(queues):
            raise ConfigurationError("two queues have the same key: name them, as in {'one': queue, 'two': other}")
    if not named:
        raise ConfigurationError("a dashboard shows at least one queue")
    for name, queue in named.items():
        if Capability.INSPECTION not in queue.driver.capabilities:
            raise ConfigurationError(f"queue {name!r} is on a driver that cannot be looked into")
    return named


class Shown:
    """Decides how much of a job's parameters and result is shown."""

    def __init__(self, parameters: Parameters) -> None:
        if not callable(parameters) and parameters not in ("show", "hide"):
            raise ValueError(f"parameters are 'show', 'hide', or a function of a record, not {parameters!r}")
        self._parameters = parameters

    @property
    def can_search(self) -> bool:
        """Whether jobs may be looked for by a text: else the answer would tell what is hidden."""
        return self._parameters == "show"

    def parameters(self, record: JobRecord) -> str | None:
        """The parameters of a job, as JSON or as whatever is to be shown in their place."""
        if record.parameters is None or self._parameters == "show":
            return record.parameters
        return self._parameters(record) if callable(self._parameters) else HIDDEN

    def result(self, record: JobRecord) -> str | None:
        """The result of a job; hidden if parameters are not shown as they are."""
        return record.result if record.result is None or self.can_search else HIDDEN
