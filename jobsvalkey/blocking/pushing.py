"""The push of one job by a thread: by itself, if it can, else in the background loop."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from jobsvalkey.blocking.background import BackgroundLoop, Tenant
from jobsvalkey.blocking.direct import direct_queue
from jobsvalkey.blocking.process import begin, break_off_at_end, call, running_loop
from jobsvalkey.contract import ConfigurationError, Pushed, StoreUnavailable
from jobsvalkey.runtime import JobOptions, JobQueue

R = TypeVar("R")


def push(tenant: Tenant, job: Any, parameters: tuple[Any, ...], options: JobOptions) -> Pushed:
    """Do what `push_unless_held` of the tenant's queue does.

    Raises:
        As that does, and `call`.
    """
    background = running_loop()
    if background is None or tenant not in background.direct:
        call(tenant, lambda queue: _look(tenant, queue))
        background = running_loop()
    direct = None if background is None or background.is_here else background.direct.get(tenant)
    if background is not None and direct is not None and direct.is_closed:
        background.direct.pop(tenant, None)  # the next push looks again
        direct = None
    if direct is None or tenant.is_closed:
        return call(tenant, lambda queue: queue.push_unless_held(job, *parameters, options=options))
    try:
        return direct.push(job, parameters, options)
    except BaseException:
        break_off_at_end()
        raise


async def _look(tenant: Tenant, queue: JobQueue[Any]) -> None:
    """Find out, in the loop, whether threads can push by themselves."""
    background = running_loop()
    if background is not None and tenant not in background.direct:
        background.direct[tenant] = direct_queue(queue, _Home(tenant, background))


class _Home:
    """The background loop, for pushes of a tenant that are under way: if it has left since, they may have been done."""

    def __init__(self, tenant: Tenant, background: BackgroundLoop) -> None:
        self._tenant = tenant
        self._background = background

    def wait(self, function: Callable[[], Awaitable[R]], /) -> R:
        with self._under_way():
            return call(self._tenant, lambda _: function(), within=self._background)

    def begin(self, function: Callable[[], None], /) -> None:
        with self._under_way():
            begin(self._tenant, function, within=self._background)

    @contextmanager
    def _under_way(self) -> Generator[None]:
        try:
            yield
        except ConfigurationError:
            if not self._tenant.is_closed:
                raise
            raise StoreUnavailable("the queue was closed: the push may have been done", outcome="unknown") from None
