"""Has the handlers of signals run promptly, whatever the main thread waits for.

Python only notes a signal. Its handler runs when the main thread gets to its next instruction, and a system call that
the signal interrupts gets it there. But a signal that came just before such a call, or to another thread, interrupts
nothing: its handler would wait as long as the call does. So a thread hears of each signal as well, and interrupts the
main thread until the handler has run.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Collection

INTERRUPTION = signal.SIGURG
"""Interrupts the main thread. Nothing else is likely to send it, and without a handler it is ignored."""
_EVERY = 0.05
"""Seconds between two interruptions: each may come too early, as the signal did."""


class PromptSignals:
    """Has the handlers of some signals run promptly in this process. Made in the main thread.

    An event loop that listens to signals itself takes over while it does so. `give_up` is called in a thread if a
    handler has not run `patience()` seconds after its signal.
    """

    def __init__(
        self, numbers: Collection[int], *, patience: Callable[[], float], give_up: Callable[[], object]
    ) -> None:
        self._numbers = frozenset(numbers)
        self._patience = patience
        self._give_up = give_up
        self._interrupted = False
        self._received, received = os.pipe()
        os.set_blocking(received, False)
        signal.signal(INTERRUPTION, self._on_interruption)
        signal.set_wakeup_fd(received, warn_on_full_buffer=False)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def _on_interruption(self, _number: int, _frame: object) -> None:
        # Handlers run in the order of their numbers: those of the signals before it have run. A flag, not an event:
        # one interruption may come during another, and would wait for the lock that the first one holds.
        self._interrupted = True

    def _listen(self) -> None:
        while received := os.read(self._received, 4096):
            if not self._numbers.isdisjoint(received):
                self._interrupt()

    def _interrupt(self) -> None:
        until = time.monotonic() + self._patience()
        self._interrupted = False
        while not self._interrupted:
            if time.monotonic() > until:
                self._give_up()
                return
            signal.pthread_kill(threading.main_thread().ident or 0, INTERRUPTION)
            time.sleep(_EVERY)
