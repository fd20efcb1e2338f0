"""The state that blocking queues of a process share; how a thread calls and waits."""

import asyncio
import atexit
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from jobsvalkey.blocking.background import BackgroundLoop, Tenant, closed
from jobsvalkey.blocking.call import Call
from jobsvalkey.blocking.room import Exit
from jobsvalkey.contract import ConfigurationError, StoreUnavailable
from jobsvalkey.runtime import JobQueue

R = TypeVar("R")

EXIT_PATIENCE: Final = 5.0
"""Seconds that the end of the interpreter waits at most for connections to be closed."""


class _Process:
    """State that each process has once.

    Its lock is held for moments, by who comes or calls. The loop never waits for it, since a signal handler that is run
    in such a moment may wait for the loop. For the same reason one thread may hold it twice.
    """

    def __init__(self) -> None:
        self.id = os.getpid()
        self.is_ending = False
        self.background: BackgroundLoop | None = None
        self.lock = threading.RLock()
        self.depth = 0
        """How many calls of one thread hold the lock, one within another."""

    def started(self) -> BackgroundLoop:
        """Return the loop, which runs."""
        if self.background is not None:
            return self.background
        # Signals are for the threads of the program. Nor may a handler start the loop while this does.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            if self.background is None:
                self.background = BackgroundLoop(self._may_end)
                try:
                    self.background.start()
                except RuntimeError:  # no more threads
                    self.background = None
                    raise
            return self.background
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _may_end(self, background: BackgroundLoop, with_tenants: bool) -> bool:
        if not self.lock.acquire(blocking=False):
            return False
        try:
            may_end = with_tenants or not background.tenants
            if may_end and self.background is background:
                self.background = None
            return may_end
        finally:
            self.lock.release()


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
    one: Call[R] | None = None
    background: BackgroundLoop | None = None
    process = _here()
    try:
        with process.lock:
            process.depth += 1
            try:
                background = _entered(process, tenant, within)
                one = Call(partial(background.call, tenant, function))
                one.submit(background.loop)
            finally:
                process.depth -= 1
        return one.result()
    except BaseException as error:
        break_off_at_end()
        if isinstance(error, Exit):
            raise error.error from None
        if isinstance(error, asyncio.CancelledError):
            raise StoreUnavailable(
                "the call was cancelled, as its queue was closed: it may have been done", outcome="unknown"
            ) from None
        if one is not None and background is not None and not isinstance(error, Exception):
            # Such as Ctrl-C: nobody waits for the answer any more.
            with suppress(RuntimeError):  # the loop has ended
                one.cancel(background.loop)
        raise


def begin(tenant: Tenant, function: Callable[[], None], *, within: BackgroundLoop) -> None:
    """Have `function` called in the background loop, and do not wait.

    Raises:
        ConfigurationError: as `call` does.
    """
    process = _here()
    with process.lock:
        process.depth += 1
        try:
            _entered(process, tenant, within).loop.call_soon_threadsafe(function)
        finally:
            process.depth -= 1


def break_off_at_end() -> None:
    """Let a daemon say nothing of an error in the end of the interpreter, which breaks off what daemons do."""
    if _process.is_ending and threading.current_thread().daemon:
        threading.Event().wait()


def running_loop() -> BackgroundLoop | None:
    """Return the loop of this process, if there is one."""
    return _here().background


def leave(tenant: Tenant) -> None:
    """Close a tenant's queue, and wait for that; a second call does nothing.

    Raises:
        ConfigurationError: this is a call from within the loop.
    """
    process = _here()
    with process.lock:
        process.depth += 1
        try:
            background = process.background
            if background is not None:
                _check_thread(background)
            was_closed, tenant.is_closed = tenant.is_closed, True
            if was_closed or background is None or tenant not in background.tenants:
                return
            # The handler of a signal that came when its thread held the lock cannot wait for the end.
            is_alone = process.depth == 1
            one = Call(partial(background.left if is_alone else background.leave, tenant))
            one.submit(background.loop)
        finally:
            process.depth -= 1
    with suppress(asyncio.CancelledError):  # the loop ends by itself
        one.result()
    if is_alone:
        background.wait_if_it_ends()


def let_go(tenant: Tenant) -> None:
    """Close the queue of a tenant that is garbage. That may be in any thread at any time, so it waits for nothing."""
    background = _process.background
    if background is not None and background.process == os.getpid():
        with suppress(RuntimeError):  # the loop has ended
            background.loop.call_soon_threadsafe(background.dismiss, tenant)


def _entered(process: _Process, tenant: Tenant, within: BackgroundLoop | None) -> BackgroundLoop:
    if tenant.is_closed:
        raise closed()
    if within is not None and within is not process.background:
        raise ConfigurationError("the call, or the iteration, began before a fork of this process: start it again")
    background = process.started()
    _check_thread(background)
    background.tenants.add(tenant)
    return background


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
