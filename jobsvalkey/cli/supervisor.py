"""Keeps a number of worker processes running, and passes signals on to them."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Sequence

from jobsvalkey.runtime.signals import stop_signals

_LOGGER = logging.getLogger("jobsvalkey.supervisor")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a process that died is started again: twice as long after each early death."""
HEALTHY = 60.0
"""Seconds after which a death is not an early one."""
SUPERVISED = "JOBSVALKEY_SUPERVISED"
"""Set for a process that has a supervisor: its standard input ends with the supervisor."""


class Supervisor:
    """Runs the same command `processes` times, until told to stop, or, with `burst`, until all have ended well."""

    def __init__(self, command: Sequence[str], processes: int, *, burst: bool) -> None:
        self._command = command
        self._processes = processes
        self._burst = burst
        self._running: set[asyncio.subprocess.Process] = set()
        self._stop = asyncio.Event()

    async def run(self) -> bool:
        """Whether all processes ended well, once all have ended."""
        with stop_signals(self._pass_on):
            async with asyncio.TaskGroup() as group:
                slots = [group.create_task(self._keep(number)) for number in range(1, self._processes + 1)]
        return all(slot.result() for slot in slots)

    def _pass_on(self) -> None:
        self._stop.set()
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

    async def _keep(self, number: int) -> bool:
        clock = asyncio.get_running_loop().time
        pause = FIRST_PAUSE
        while True:
            started = clock()
            code = await self._run_once(number)
            if self._stop.is_set():
                # A process that had not begun yet has nothing to see to: the signal simply ended it.
                return code in (0, -signal.SIGTERM)
            if self._burst and code == 0:
                return True
            if clock() - started >= HEALTHY:
                pause = FIRST_PAUSE
            _LOGGER.warning("worker process %d ended (%s), starts again in %.1f s", number, _reason(code), pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stop.wait()
                return True
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _run_once(self, number: int) -> int:
        # A process group of its own: Ctrl-C in a terminal reaches the supervisor alone, which passes it on once.
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, SUPERVISED: "1"},
            process_group=0,
        )
        _LOGGER.info("worker process %d runs as %d", number, process.pid)
        self._running.add(process)
        if self._stop.is_set():
            # The signal came while the process was started.
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        try:
            return await process.wait()
        finally:
            self._running.discard(process)


def leave_with_supervisor() -> None:
    """In a supervised process: end gracefully where the supervisor is gone, however it went."""
    if not os.environ.pop(SUPERVISED, ""):
        return

    def watch() -> None:
        # Not by way of sys.stdin, whose lock would be held when the process ends.
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="supervisor", daemon=True).start()


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
