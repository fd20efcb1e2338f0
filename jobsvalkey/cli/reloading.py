"""Restarts worker processes when code changes, for development."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.cli.supervisor import Supervisor
from jobsvalkey.runtime.signals import stop_signals

_LOGGER = logging.getLogger("jobsvalkey.supervisor")

DEBOUNCE: Final = 200
"""Milliseconds for which changes are gathered that come one after the other, as an editor or `git` makes them."""
STEP: Final = 50
"""Milliseconds without a change after which they are taken as complete."""


def check_watching() -> None:
    """Check that changes can be noticed.

    Raises:
        CommandFailed: the package that does it is not installed.
    """
    try:
        import_module("watchfiles")  # for development: a worker does not need it
    except ImportError as error:
        raise CommandFailed("--watch needs the package watchfiles: pip install 'jobsvalkey[watch]'") from error


async def changes_in(folder: Path) -> AsyncIterator[list[str]]:
    """Give the names of Python files that have changed, each time that some have."""
    watchfiles: Any = import_module("watchfiles")
    of_python = watchfiles.PythonFilter()
    async for changes in watchfiles.awatch(folder, watch_filter=of_python, debounce=DEBOUNCE, step=STEP):
        yield sorted({str(Path(path).relative_to(folder)) for _, path in changes})


class Reloader:
    """Runs workers, and replaces them at each change of a Python file in a folder.

    The new ones start at once, beside the old ones, which claim nothing more and end when their jobs have.

    Args:
        make: gives the supervisor of new workers.
        changes: gives the names of files at each change.
    """

    def __init__(self, make: Callable[[], Supervisor], changes: AsyncIterator[list[str]]) -> None:
        self._make = make
        self._changes = changes
        self._running: dict[asyncio.Task[bool], Supervisor] = {}
        self._stopped = False

    async def run(self) -> bool:
        """Run until signals stop it; whether the last workers have ended well."""
        with stop_signals(self._stop):
            last = self._start()
            watching = asyncio.create_task(self._watch())
            try:
                # It ends when it is stopped; so do the workers.
                while self._running:
                    await asyncio.wait({*self._running, watching}, return_when=asyncio.FIRST_COMPLETED)
                    if watching.done() and not watching.cancelled() and (error := watching.exception()):
                        self._stop()
                        raise CommandFailed(f"changes cannot be noticed: {error}") from error
                    for task in [task for task in self._running if task.done()]:
                        del self._running[task]
                        last = task
            finally:
                watching.cancel()
                await asyncio.wait([watching])
            return last.result()

    def _start(self) -> "asyncio.Task[bool]":
        supervisor = self._make()
        task: asyncio.Task[bool] = asyncio.create_task(supervisor.run_until_stopped())
        self._running[task] = supervisor
        return task

    async def _watch(self) -> None:
        async for names in self._changes:
            if self._stopped:
                return
            old = list(self._running.values())
            _LOGGER.info("%s changed: the workers restart", _listed(names))
            self._start()
            for supervisor in old:
                if not supervisor.is_stopping:
                    supervisor.stop()

    def _stop(self) -> None:
        self._stopped = True
        for supervisor in self._running.values():
            supervisor.stop()


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
