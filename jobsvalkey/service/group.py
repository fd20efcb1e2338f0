"""Services that one process runs together."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Literal, Protocol

from jobsvalkey.contract import ConfigurationError
from jobsvalkey.runtime import JobQueue, ProcessorOptions
from jobsvalkey.runtime.multi_queue import check_weights
from jobsvalkey.runtime.processor import BaseProcessor
from jobsvalkey.runtime.queue_run import ServedQueue
from jobsvalkey.runtime.signals import stop_signals
from jobsvalkey.service.health import ServiceHealth
from jobsvalkey.service.lifespan import LifespanRun
from jobsvalkey.service.probes import HttpOptions, Probes
from jobsvalkey.service.service_run import ServicePart, ServiceRun


class Member(Protocol):
    """A service that may run together with others."""

    @property
    def processor_options(self) -> ProcessorOptions:
        """The settings with which it runs jobs."""
        ...

    @property
    def weights(self) -> Sequence[float] | None:
        """The shares of its queues; `None` means a strict order."""
        ...

    @property
    def http(self) -> HttpOptions | None:
        """The address where it answers probes; `None` if it answers none."""
        ...

    def part(self) -> ServicePart:
        """Make what a run needs of it."""
        ...

    def joined(self, run: ServiceRun | None) -> None:
        """Note the run that it takes part in; `None` when that is over."""
        ...


class ServiceGroup:
    """Services that share one event loop, and one pool of slots.

    The `ProcessorOptions` of the first say how many jobs run at the same time, and how all of it stops. Each keeps its
    own lock, `max_recoveries` and `unknown_job`. Their lifespans are entered in order, before the first job is claimed.

    Args:
        members: the services, in the order in which they are served.
        weights: one for each service, which its queues share; `None` means a strict order.
        http: the address where probes are answered; `None` is none, and `"own"` as the first service says that says it.

    Raises:
        ValueError: a weight is missing, or not above zero; or there are no weights, but a service has weights for its
            queues.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        weights: Sequence[float] | None = None,
        http: HttpOptions | Literal["own"] | None = "own",
    ) -> None:
        self._members = list(members)
        if len(self._members) > 1 and weights is None and any(member.weights is not None for member in members):
            raise ValueError("a service has weights for its own queues: give weights for the services, too")
        self._weights = check_weights(weights, len(self._members))
        self._http: HttpOptions | Literal["own"] | None = http
        self._run: ServiceRun | None = None

    def begin(self, *, burst: bool, recycle_after: int | None = None) -> ServiceRun:
        """Make a run; there is only one at a time.

        Raises:
            ConfigurationError: a service runs already.
        """
        options = replace(self._members[0].processor_options, handle_signals=False)
        if burst:
            options = replace(options, burst=True)
        if recycle_after is not None:
            options = replace(options, recycle_after=recycle_after)
        parts = [member.part() for member in self._members]
        queues = [queue for part in parts for queue in part.queues]
        if len({id(queue.driver) for queue in queues}) < len(queues):
            raise ConfigurationError("two services have the same driver: give each its own, or run one of them")
        processor = BaseProcessor(queues, options, self._weights_of_queues(parts))
        self._run = ServiceRun(parts, processor, burst=options.burst)
        for member in self._members:
            member.joined(self._run)
        return self._run

    def _weights_of_queues(self, parts: Sequence[ServicePart]) -> list[float] | None:
        if self._weights is None:
            own = self._members[0].weights
            return None if own is None else list(own)
        shares: list[float] = []
        for weight, member, part in zip(self._weights, self._members, parts, strict=True):
            own = member.weights or [1.0] * len(part.queues)
            shares += [weight * each / sum(own) for each in own]
        return shares

    def end(self) -> None:
        """Note that the run is over."""
        self._run = None
        for member in self._members:
            member.joined(None)

    async def run(self, *, burst: bool = False, handle_signals: bool = True, recycle_after: int | None = None) -> bool:
        """Run all services, as `JobService.run` does one."""
        run = self.begin(burst=burst, recycle_after=recycle_after)
        try:
            with stop_signals(self.stop) if handle_signals else nullcontext():
                return await self.work(run)
        finally:
            self.end()

    async def work(self, run: ServiceRun) -> bool:
        """Do a run, and answer probes meanwhile.

        Raises:
            ConfigurationError: it cannot listen at the address for probes. Other errors: those of the run.
        """
        http = self._http
        if http == "own":
            http = next((member.http for member in self._members if member.http is not None), None)
        async with nullcontext() if http is None else Probes(http, self.health, run.load):
            return await run.run()

    def stop(self) -> None:
        """Push and claim nothing more, and end after the running jobs; a second call does not wait for them."""
        if self._run is not None:
            self._run.stop()

    def health(self) -> ServiceHealth:
        """Report how they are doing."""
        return ServiceHealth.of(self._run.processor.states if self._run else ())


class QueueMember:
    """A queue without a service around it."""

    weights: Sequence[float] | None = None
    http: HttpOptions | None = None

    def __init__(self, queue: JobQueue[Any]) -> None:
        self._queue = queue
        self.processor_options: ProcessorOptions = ProcessorOptions()

    def part(self) -> ServicePart:
        """Make what a run needs of it."""
        runner = self._queue.runner(self.processor_options)
        return ServicePart([ServedQueue(self._queue.driver, runner, self.processor_options)], [], LifespanRun(None))

    def joined(self, run: ServiceRun | None) -> None:
        """Do nothing."""
