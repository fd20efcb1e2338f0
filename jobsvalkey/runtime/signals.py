"""SIGTERM, SIGINT and SIGHUP as a call, for as long as something runs."""

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager

from jobsvalkey.contract import ConfigurationError

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def signals_to_handle() -> list[signal.Signals]:
    """Return the signals that stop a program: all but a SIGHUP that is ignored, as `nohup` has it."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in STOP_SIGNALS if not (ignored and number is signal.SIGHUP)]


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
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
