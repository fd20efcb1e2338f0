"""A limit of time for each test, so that a driver that hangs does not hang the suite."""

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from os import environ
from types import FrameType

from jobsvalkey_conformance.settings import TEST_SECONDS

GRACE = 5.0
"""Seconds after which a test that does not end when it is cancelled is interrupted, and interrupted again."""
SHORTER = (1, 3, 12, 30)
"""The divisor of the limit after a test hung, after another one, and so on: the rest need not take hours."""

_hung: Counter[object] = Counter()
_slowest: dict[object, float] = {}
"""How long the slowest test took that did end: on a machine that is busy, no other need hang that takes as long."""


class Hanging(AssertionError):
    """A test was not over in time."""


def seconds_for(subject: object) -> float:
    """How long a test may take that is held against `subject`: less, once others of it hung."""
    longest = float(environ.get(TEST_SECONDS, "60"))
    shorter = max(longest / SHORTER[min(_hung[subject], len(SHORTER) - 1)], 1.0, _slowest.get(subject, 0.0))
    return min(longest, shorter)


@asynccontextmanager
async def limited(subject: object) -> AsyncGenerator[None]:
    """Let the block take as long as a test of `subject` may.

    Raises:
        Hanging: it took longer.
    """
    seconds = seconds_for(subject)
    if signal.getsignal(signal.SIGALRM) is _interrupt:
        signal.setitimer(signal.ITIMER_REAL, seconds + GRACE, GRACE)
    loop = asyncio.get_running_loop()
    limit, began = asyncio.timeout(seconds), loop.time()
    try:
        async with limit:
            yield
        _slowest[subject] = max(_slowest.get(subject, 0.0), loop.time() - began)
    except TimeoutError as error:
        if limit.expired():
            _hung[subject] += 1
            raise Hanging(f"the test did not end within {seconds:g} s; set {TEST_SECONDS} to give it longer") from error
        raise


@contextmanager
def interrupting() -> Generator[None]:
    """Within the block, interrupt what blocks the event loop or cannot be cancelled, once the time is up.

    Not on platforms and in threads without an alarm, nor beside a plugin that uses it for a limit of its own.
    """
    usable = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    if not usable or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGALRM, _interrupt)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Hanging("the event loop is blocked, or the call that hangs ignores its cancellation")
