"""Keeps a number of worker processes running, and stops them, by force if need be."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Sequence

from jobsvalkey.cli.stopping import AT_ONCE, GRACEFULLY, SUPERVISED, time_to_stop
from jobsvalkey.runtime import ProcessorOptions
from jobsvalkey.runtime.signals import STOP_SIGNALS, stop_signals

_LOGGER = logging.getLogger("jobsvalkey.supervisor")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a process that died is started again: twice as long after each early death."""
HEALTHY = 60.0
"""Seconds after which a death is not an early one."""
RECYCLED = 3
"""The exit code of a process that is to be replaced by a fresh one."""
PATIENCE = 2.0
"""Seconds that a process gets beyond the time that it needs to stop, as it says itself."""


class _Child:
    """One worker process."""

    def __init__(self, process: asyncio.subprocess.Process, report: int) -> None:
        self.process = process
        self._report = report
        options = ProcessorOptions()
        self._seconds = [time_to_stop(options), time_to_stop(options, at_once=True)]

    def tell(self, word: bytes) -> "asyncio.Task[None]":
        """Stop it, and kill it if it does not end in the time that it needs. Not by a signal: others may send one."""
        if self.process.stdin is not None:
            self.process.stdin.write(word)
        with contextlib.suppress(BlockingIOError):
            if said := os.read(self._report, 100).split():
                self._seconds = [float(each) for each in said]
        return asyncio.create_task(self._kill_after(self._seconds[1 if word == AT_ONCE else 0] + PATIENCE))

    async def _kill_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self.process.returncode is None:
            _LOGGER.error("worker process %d does not end: it is killed", self.process.pid)
            self.process.kill()


class Supervisor:
    """Runs the same command `processes` times, until told to stop, or, with `burst`, until all have ended well."""

    def __init__(self, command: Sequence[str], processes: int, *, burst: bool) -> None:
        self._command = command
        self._processes = processes
        self._burst = burst
        self._running: set[_Child] = set()
        self._killers: set[asyncio.Task[None]] = set()
        self._words: list[bytes] = []
        self._stop = asyncio.Event()

    async def run(self) -> bool:
        """Whether all processes ended well, once all have ended. Signals stop them."""
        with stop_signals(self.stop):
            return await self.run_until_stopped()

    async def run_until_stopped(self) -> bool:
        """Run as `run` does, without signals."""
        async with asyncio.TaskGroup() as group:
            slots = [group.create_task(self._keep(number)) for number in range(1, self._processes + 1)]
        for killer in self._killers:
            killer.cancel()
        return all(slot.result() for slot in slots)

    @property
    def is_stopping(self) -> bool:
        """Whether it was stopped."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Stop the processes, gracefully; a second call does not wait for their jobs."""
        self._stop.set()
        self._words.append(AT_ONCE if self._words else GRACEFULLY)
        for child in self._running:
            self._killers.add(child.tell(self._words[-1]))

    async def _keep(self, number: int) -> bool:
        clock = asyncio.get_running_loop().time
        pause = FIRST_PAUSE
        while True:
            started = clock()
            code = await self._run_once(number)
            if self._stop.is_set():
                # By such a signal itself a process ends only before it listens, or when there is nothing left to end.
                if code not in (0, RECYCLED, *(-each for each in STOP_SIGNALS)):
                    _LOGGER.error("worker process %d did not end well (%s)", number, _reason(code))
                    return False
                return True
            if code == RECYCLED:
                _LOGGER.info("worker process %d has run its number of jobs: a fresh one takes its place", number)
                pause = FIRST_PAUSE
                continue
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
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        try:
            # A process group of its own: Ctrl-C in a terminal reaches the supervisor alone, which passes it on once.
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                env={**os.environ, SUPERVISED: str(writing)},
                pass_fds=(writing,),
                process_group=0,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        _LOGGER.info("worker process %d runs as %d", number, process.pid)
        child = _Child(process, reading)
        self._running.add(child)
        for word in self._words:  # the signals came while the process was started
            self._killers.add(child.tell(word))
        try:
            return await process.wait()
        finally:
            self._running.discard(child)
            os.close(reading)


def leave_with_supervisor() -> None:
    """In a process that has a supervisor: end gracefully if the supervisor is gone, however it went."""
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
