"""SIGTERM, SIGINT and SIGHUP as a call, for as long as something runs."""

import asyncio
import os
import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from jobsvalkey.contract import ConfigurationError

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def signals_to_handle() -> list[signal.Signals]:
    """Return the signals that stop a program: all but a SIGHUP that is ignored, as `nohup` has it."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in STOP_SIGNALS if not (ignored and number is signal.SIGHUP)]


_before: dict[int, Any] = {}


def leave_to_children(before: Mapping[signal.Signals, Any]) -> list[signal.Signals]:
    """Have what is forked from now on begin with these handlers, so that a signal to a child ends it and stops nobody.

    Returns:
        The numbers for which nobody has said so before.
    """
    added = [number for number in before if number not in _before]
    _before.update({number: before[number] for number in added})
    return added


def _after_fork() -> None:
    if _before:
        signal.set_wakeup_fd(-1)  # it leads to the parent
    for number, handler in _before.items():
        signal.signal(number, handler or signal.SIG_DFL)  # None is one that Python did not set


os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Generator[None]:
    """Have each SIGTERM, SIGINT and SIGHUP call `stop`, in the event loop, until the block ends.

    Raises:
        ConfigurationError: not in the main thread, where alone signals arrive.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in signals_to_handle()}
    try:
        for number in before:
            loop.add_signal_handler(number, stop)
    except (RuntimeError, ValueError) as error:
        raise ConfigurationError(
            "signals are handled in the main thread only: run there, or set handle_signals=False and call stop()"
        ) from error
    added = leave_to_children(before)
    try:
        yield
    finally:
        for number in added:
            del _before[number]
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
