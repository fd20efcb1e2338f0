"""How a worker process stops: at a signal, at its supervisor's word, and by force if it does not end in time."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import NoReturn

from jobsvalkey.cli.prompt_signals import PromptSignals
from jobsvalkey.runtime import ProcessorOptions
from jobsvalkey.runtime.signals import leave_to_children, signals_to_handle

SUPERVISED = "JOBSVALKEY_SUPERVISED"
"""Set for a process that has a supervisor, to the file descriptor where it says how long it takes to stop.

Its standard input is the supervisor's word, and ends with the supervisor.
"""
GRACEFULLY, AT_ONCE = b"s", b"h"
"""The words: let the running jobs end; do not wait for them."""
_LEAVE_WITHIN = 12.0
"""Seconds that a worker may take to leave, beside the time that its jobs get."""
_AGAIN_AFTER = 0.05
"""Seconds after which a signal that was swallowed is sent again."""


def time_to_stop(options: ProcessorOptions, *, at_once: bool = False) -> float:
    """Return the seconds that a worker takes at most to end once it is told to."""
    grace = 0.0 if at_once else options.graceful_shutdown_timeout.total_seconds()
    return grace + 2 * options.cancel_grace.total_seconds() + _LEAVE_WITHIN


class Stopping:
    """Stops the worker of this process. Made before its module is loaded, so that no signal is lost meanwhile.

    The first signal lets the running jobs end, and the second one does not wait for them. In a process that has a
    supervisor signals count once, however many there are: a service manager may send one to every process, and the
    supervisor passes its own on.
    """

    def __init__(self) -> None:
        report = os.environ.pop(SUPERVISED, "")
        self.is_supervised: bool = bool(report)
        self._report = int(report) if report else None
        self._stops = 0
        self._stop: Callable[[], None] | None = None
        self._options = ProcessorOptions()
        self._held = False
        self._raised: BaseException | None = None
        sys.unraisablehook = partial(self._on_unraisable, sys.unraisablehook)
        # The supervisor's word comes in a thread, and a signal may come while its own thread is at it.
        self._lock = threading.RLock()
        before = {number: signal.signal(number, self._on_signal) for number in signals_to_handle()}
        leave_to_children(before)
        PromptSignals(before, patience=lambda: time_to_stop(self._options), give_up=_end_by_force)
        if self._report is not None:
            os.set_inheritable(self._report, False)
            threading.Thread(target=self._listen, name="supervisor", daemon=True).start()

    @property
    def was_told(self) -> bool:
        """Whether anybody wants the worker to stop."""
        return self._stops > 0

    def hold(self) -> None:
        """Let signals only count, until `release`."""
        self._held = True

    def release(self) -> bool:
        """Let signals interrupt again, unless there was one already; whether there was."""
        self._held = self.was_told
        return self.was_told

    def attach(self, stop: Callable[[], None], options: ProcessorOptions) -> None:
        """Stop the worker that runs in this event loop by `stop`, which hurries when it is called again."""
        loop = asyncio.get_running_loop()

        def call() -> None:
            with suppress(RuntimeError):  # the loop is closed: the worker has ended
                loop.call_soon_threadsafe(stop)

        with self._lock:
            self._options = options
            told, self._stop = self._stops, call
            for _ in range(told):
                stop()
        if self._report is not None:
            seconds = f"{time_to_stop(options)} {time_to_stop(options, at_once=True)}"
            with suppress(OSError):  # the supervisor is gone
                os.write(self._report, seconds.encode())
            os.close(self._report)
            self._report = None

    def _request(self, stops: int) -> None:
        with self._lock:
            while self._stops < stops:
                self._stops += 1
                if self._stop is not None:
                    self._stop()
                timer = threading.Timer(time_to_stop(self._options, at_once=self._stops > 1), _end_by_force)
                timer.daemon = True
                timer.start()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._request(1 if self.is_supervised else self._stops + 1 if self._stops < 2 else 2)
        if self._stop is None and not self._held:
            # Nothing runs yet. If the module that is being loaded swallows this, `attach` stops what begins.
            self._raised = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(0)
            raise self._raised

    def _on_unraisable(
        self, hook: "Callable[[sys.UnraisableHookArgs], object]", unraisable: "sys.UnraisableHookArgs"
    ) -> None:
        if unraisable.exc_value is None or unraisable.exc_value is not self._raised:
            hook(unraisable)
            return
        # Raised in a `__del__`, or a callback of a weak reference, from which Python lets nothing out.
        again = threading.Timer(_AGAIN_AFTER, os.kill, [os.getpid(), signal.SIGTERM])
        again.daemon = True
        with suppress(RuntimeError):  # the interpreter ends
            again.start()

    def _listen(self) -> None:
        # Not by way of sys.stdin, whose lock would be held when the process ends.
        while word := os.read(0, 1):
            self._hear(2 if word == AT_ONCE else 1)
        self._hear(1)

    def _hear(self, stops: int) -> None:
        self._request(stops)
        if self._stop is None:
            os.kill(os.getpid(), signal.SIGTERM)


def _end_by_force() -> NoReturn:
    # Neither by an exception, which would wait for threads, nor by a log, whose lock somebody may hold.
    with suppress(OSError):
        os.write(2, b"jobsvalkey: the worker did not end in time: something blocks it; ends by force\n")
    os._exit(1)
