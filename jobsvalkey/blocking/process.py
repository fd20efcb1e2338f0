"""The state that blocking queues of a process share; how a thread calls and waits."""

import asyncio
import atexit
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, Final, TypeVar

from jobsvalkey.blocking.background import BackgroundLoop, Tenant, closed
from jobsvalkey.blocking.room import Exit
from jobsvalkey.contract import ConfigurationError, StoreUnavailable
from jobsvalkey.runtime import JobQueue

R = TypeVar("R")

EXIT_PATIENCE: Final = 5.0
"""Seconds that the end of the interpreter waits at most for connections to be closed."""


class _Process:
    """State that each process has once.

    It is entered for a moment, by who comes or calls. The loop never waits for that, since a signal handler that is run
    in such a moment may wait for the loop. For the same reason one thread may enter twice.
    """

    def __init__(self) -> None:
        self.id = os.getpid()
        self.is_ending = False
        self.background: BackgroundLoop | None = None
        self._lock = threading.RLock()
        self._depth = 0

    def __enter__(self) -> bool:
        """Whether this is not within another such moment."""
        self._lock.acquire()
        self._depth += 1
        return self._depth == 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        self._lock.release()

    def started(self) -> BackgroundLoop:
        """Return the loop, which runs."""
        if self.background is not None:
            return self.background
        # Signals are for the threads of the program. Nor may a handler start the loop while this does.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            if self.background is None:
                background = BackgroundLoop(self._may_end)
                background.start()
                self.background = background
            return self.background
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _may_end(self, background: BackgroundLoop, with_tenants: bool) -> bool:
        if not self._lock.acquire(blocking=False):
            return False
        try:
            may_end = with_tenants or not background.tenants
            if may_end and self.background is background:
                self.background = None
            return may_end
        finally:
            self._lock.release()


_process = _Process()
_inherited: Final = list[BackgroundLoop]()
"""Loops of parent processes, which have to be left as they are."""


def call(
    tenant: Tenant, function: Callable[[JobQueue[Any]], Awaitable[R]], *, within: BackgroundLoop | None = None
) -> R:
    """Return what `function` does for the tenant's queue. It is called in the background loop, in the caller's context.

    Args:
        tenant: whose queue it is.
        function: what to do.
        within: the loop that it has to be; `None` is any.

    Raises:
        ConfigurationError: the tenant has left, the loop is another one by now, or this is a call from within it.
        StoreUnavailable: the queue was closed meanwhile.
    """
    future: Future[R] | None = None
    try:
        future = _submit(tenant, function, within)
        return _answer(future)
    except Exit as exited:
        raise exited.error from None
    except CancelledError:
        raise StoreUnavailable(
            "the call was cancelled, as its queue was closed: it may have been done", outcome="unknown"
        ) from None
    except BaseException:
        # Such as Ctrl-C: nobody waits for the answer any more.
        if future is not None:
            future.cancel()
        raise
    finally:
        del future  # see `_answer`


def running_loop() -> BackgroundLoop | None:
    """Return the loop of this process, if there is one."""
    return _here().background


def leave(tenant: Tenant) -> None:
    """Close a tenant's queue, and wait for that; a second call does nothing.

    Raises:
        ConfigurationError: this is a call from within the loop.
    """
    process = _here()
    with process as is_alone:
        background = process.background
        if background is not None:
            _check_thread(background)
        was_closed, tenant.is_closed = tenant.is_closed, True
        if was_closed or background is None or tenant not in background.tenants:
            return
        left = background.left(tenant) if is_alone else background.leave(tenant)
        future = asyncio.run_coroutine_threadsafe(left, background.loop)
    with suppress(CancelledError):  # the loop ends by itself
        future.result()
    if is_alone:
        background.wait_if_it_ends()


def let_go(tenant: Tenant) -> None:
    """Close the queue of a tenant that is garbage. That may be in any thread at any time, so it waits for nothing."""
    background = _process.background
    if background is not None and background.process == os.getpid():
        with suppress(RuntimeError):  # the loop has ended
            background.loop.call_soon_threadsafe(background.dismiss, tenant)


def _submit(
    tenant: Tenant, function: Callable[[JobQueue[Any]], Awaitable[R]], within: BackgroundLoop | None
) -> Future[R]:
    process = _here()
    with process:
        if tenant.is_closed:
            raise closed()
        if within is not None and within is not process.background:
            raise ConfigurationError("the iteration began before a fork of this process: begin it anew")
        background = process.started()
        _check_thread(background)
        background.tenants.add(tenant)
        return asyncio.run_coroutine_threadsafe(background.call(tenant, function), background.loop)


def _answer(future: Future[R]) -> R:
    try:
        return future.result()
    except Exception:
        if _process.is_ending and threading.current_thread().daemon:
            # The end of the interpreter breaks off what daemons do, and says nothing of it.
            threading.Event().wait()
        raise
    finally:
        del future  # together with its error it would be a circle, which lives until garbage is collected


def _check_thread(background: BackgroundLoop) -> None:
    if background.is_here:
        raise ConfigurationError(
            "a BlockingJobQueue was called in its own event loop, where it would wait for itself: "
            "in middleware, and where the queue is made, await a JobQueue"
        )


def _here() -> _Process:
    if _process.id != os.getpid():
        _after_fork()  # a server written in C forks, and tells nobody
    return _process


def _after_fork() -> None:
    global _process
    inherited, _process = _process.background, _Process()
    if inherited is not None:
        _inherited.append(inherited)
        inherited.abandon()


def _at_exit() -> None:
    # The interpreter has waited for the threads that are no daemons: until then they may push.
    if (background := running_loop()) is not None:
        _process.is_ending = True
        background.end_within(EXIT_PATIENCE)


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
