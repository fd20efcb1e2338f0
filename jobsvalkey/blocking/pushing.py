"""The push of one job by a thread: by itself, if it can, else in the background loop."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from jobsvalkey.blocking.background import BackgroundLoop, Tenant
from jobsvalkey.blocking.direct import direct_queue
from jobsvalkey.blocking.process import begin, break_off_at_end, call, running_loop
from jobsvalkey.contract import Pushed
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
    """The background loop, for the driver of a tenant."""

    def __init__(self, tenant: Tenant, background: BackgroundLoop) -> None:
        self._tenant = tenant
        self._background = background

    def wait(self, function: Callable[[], Awaitable[R]], /) -> R:
        return call(self._tenant, lambda _: function(), within=self._background)

    def begin(self, function: Callable[[], None], /) -> None:
        begin(self._tenant, function, within=self._background)
