"""SIGTERM and SIGINT as a call, for as long as something runs."""

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager

from jobsvalkey.contract import ConfigurationError

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Generator[None]:
    """Within the block each SIGTERM and SIGINT calls `stop`, in the event loop; after it they do what they did before.

    Raises:
        ConfigurationError: not in the main thread, where alone signals arrive.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        for number in STOP_SIGNALS:
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
