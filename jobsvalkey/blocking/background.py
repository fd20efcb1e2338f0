"""The event loop in which all blocking queues of a process run, in a thread of its own."""

import asyncio
import os
import selectors
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any, Final, TypeVar, cast

from jobsvalkey.blocking.direct import DirectQueue
from jobsvalkey.blocking.room import Room
from jobsvalkey.contract import ConfigurationError
from jobsvalkey.runtime import JobQueue

R = TypeVar("R")

BUSY: Final = 0.001
"""Seconds until the loop asks again whether it may end, if somebody calls just then."""


def closed() -> ConfigurationError:
    """Make the error of a call after `close`."""
    return ConfigurationError("this BlockingJobQueue was closed: make another one")


class Tenant:
    """All that is known of a blocking queue, without keeping it alive."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.is_closed = False


class BackgroundLoop:
    """A loop and its thread, which last until there is no tenant left.

    Args:
        may_end: whether this moment is one to end in; it then gives nobody this loop any more. It is told whether
            there are tenants that keep the loop.
    """

    def __init__(self, may_end: Callable[["BackgroundLoop", bool], bool]) -> None:
        self.process: int = os.getpid()
        self.tenants: set[Tenant] = set()
        self._may_end = may_end
        self._rooms: dict[Tenant, Room] = {}
        self.direct: dict[Tenant, DirectQueue | None] = {}
        """Queues to which threads push by themselves; `None` if a push needs the loop."""
        self._selector = selectors.DefaultSelector()
        # Of this kind whatever the policy says: we know what is left of it after a fork.
        self.loop: asyncio.AbstractEventLoop = asyncio.SelectorEventLoop(self._selector)
        self._end = asyncio.Event()
        self._unawaited = set[asyncio.Task[None]]()
        self._thread = threading.Thread(target=self._run, name="jobsvalkey", daemon=True)

    @property
    def is_here(self) -> bool:
        """Whether it runs in the current thread."""
        return threading.current_thread() is self._thread

    def start(self) -> None:
        """Start the thread."""
        try:
            self._thread.start()
        except RuntimeError:  # no more threads
            self.loop.close()
            raise

    async def call(self, tenant: Tenant, function: Callable[[JobQueue[Any]], Awaitable[R]]) -> R:
        """Return what `function` does for the tenant's queue."""
        room = self._rooms.get(tenant)
        if room is None:
            if tenant.is_closed:  # while it called
                self._start(self.leave(tenant))
                raise closed()
            room = self._rooms[tenant] = Room(tenant.make)
        return await room.call(function)

    async def leave(self, tenant: Tenant) -> None:
        """Close the tenant's queue; the last tenant ends the loop."""
        room = self._rooms.get(tenant)
        if room is not None:
            await room.close()
            self._rooms.pop(tenant, None)
            self.direct.pop(tenant, None)
        self.tenants.discard(tenant)
        self._start(self._end_if_empty())

    async def left(self, tenant: Tenant) -> None:
        """Close the tenant's queue; if that ends the loop, return when it does."""
        await self.leave(tenant)
        await self._end_if_empty()

    def dismiss(self, tenant: Tenant) -> None:
        """Have a tenant leave, if it is here, and do not wait for it."""
        if tenant in self.tenants:
            self._start(self.leave(tenant))

    def discard(self, source: AsyncIterator[Any]) -> None:
        """Have an iteration end, and do not wait for it. This may be any thread."""
        with suppress(RuntimeError):  # the loop has ended, and the iteration with it
            self.loop.call_soon_threadsafe(lambda: self._start(_end(source)))

    def wait_if_it_ends(self) -> None:
        """Return when the thread has ended, or at once if it goes on."""
        if self._end.is_set():
            self._thread.join()

    def end_within(self, seconds: float) -> None:
        """End it, whoever uses it, for the end of the interpreter."""
        with suppress(RuntimeError):  # it has ended
            self.loop.call_soon_threadsafe(lambda: self._start(self._end_now()))
        self._thread.join(seconds)

    def abandon(self) -> None:
        """Let go of the parent's connections, in a child process.

        Whatever is here is shared with the parent, down to the list of what its loop watches, so nothing is closed in
        an orderly way. Each descriptor becomes one of nothing, and the parent alone has the connection.
        """
        selector, loop = cast(Any, self._selector), cast(Any, self.loop)
        descriptors: set[int] = {*selector.get_map(), loop._csock.fileno()}  # noqa: SLF001 - there is no public way
        descriptors |= {each.descriptor for each in self.direct.values() if each is not None} - {-1}
        if hasattr(selector, "fileno"):
            descriptors.add(selector.fileno())
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in descriptors:
            os.dup2(nothing, descriptor, inheritable=False)
        os.close(nothing)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work, context=Context())
        self._unawaited.add(task)
        task.add_done_callback(self._unawaited.discard)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            try:
                runner.run(self._ended(), context=Context())
            finally:
                runner.run(self._close_all(), context=Context())

    async def _ended(self) -> None:
        await self._end.wait()

    async def _end_if_empty(self) -> None:
        while not self.tenants and not self._end.is_set():
            if self._may_end(self, False):
                self._end.set()
            else:
                await asyncio.sleep(BUSY)

    async def _end_now(self) -> None:
        while not self._may_end(self, True):  # noqa: ASYNC110 - who calls just then tells nobody when it has
            await asyncio.sleep(BUSY)
        self._end.set()

    async def _close_all(self) -> None:
        await self._end_now()
        await asyncio.sleep(0)  # calls that came before are tasks by now, which will be answered or cancelled
        for room in list(self._rooms.values()):
            await room.close()


async def _end(source: Any) -> None:
    with suppress(RuntimeError, AttributeError):  # it is ending by itself, or is no generator
        await source.aclose()
