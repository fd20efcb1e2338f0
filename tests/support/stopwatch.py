"""Time as it would be on a quiet machine."""

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path


def seconds_of_waiting(process: int) -> float:
    """How long the threads of a process have been ready to run, and no processor was free; 0 but on Linux."""
    waited = 0.0
    for statistics in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with suppress(OSError):  # it has ended
            waited += int(statistics.read_text().split()[1]) / 1e9
    return waited


class Stopwatch:
    """Tells the time since it was made, less that in which its processes waited for a processor.

    So a bound of time can be as tight as what is promised, on a busy machine too. The processes are this one and those
    that `others` names; one that has ended counts no more.
    """

    def __init__(self, others: Callable[[], Iterable[int]] = lambda: ()) -> None:
        self._others = others
        self._started = time.monotonic()
        self._waited_before = self._waited()

    def _waited(self) -> dict[int, float]:
        return {process: seconds_of_waiting(process) for process in (os.getpid(), *self._others())}

    def seconds(self) -> float:
        """So far."""
        waited = sum(seconds - self._waited_before.get(process, 0.0) for process, seconds in self._waited().items())
        return max(time.monotonic() - self._started - waited, 0.0)
