"""Starts the handlers of claims, and hears how they end."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Iterable

from jobsvalkey.contract import Claim, Fail, WorkerID
from jobsvalkey.runtime.failure import encode_error, is_a, log_error
from jobsvalkey.runtime.in_flight import InFlight
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey.runtime.middleware_chain import is_current
from jobsvalkey.runtime.runner import JobRunner

_LOGGER = logging.getLogger("jobsvalkey.worker")


class Handlers:
    """Runs claims of one queue, each in a task of its own.

    Made in the task of the processor's run, whose variables handlers see. If that is cancelled, the event loop ends.

    Args:
        on_ended: is called when a run has ended.
    """

    def __init__(self, runner: JobRunner, jobs: InFlight, on_ended: Callable[[], None]) -> None:
        self._runner = runner
        self._jobs = jobs
        self._on_ended = on_ended
        self._owner = asyncio.current_task()
        self._context = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()

    def start(self, claims: Iterable[Claim], worker: WorkerID) -> None:
        """Start the handlers of claims."""
        begin, create_task, copy_context = self._jobs.begin, self._loop.create_task, self._context.copy
        for claim in claims:
            run = JobRun(claim.job_id, worker, self._owner)
            begin(claim, run)
            # In no group, which would wait for ever for a handler that does not end.
            run.task = create_task(self._run(claim, run), context=copy_context())

    async def _run(self, claim: Claim, run: JobRun) -> None:
        try:
            settlement = await self._runner.run(claim, run)
        except asyncio.CancelledError:
            if run.abandoned:
                return  # the thread goes on, so the claim is kept
            settlement = run.give_back(claim)
        except BaseException as error:
            if is_a(error, GeneratorExit) and not is_current(run.task):
                raise  # nobody goes on with this coroutine: its event loop was closed
            text = "job %s met a fault of the library"
            log_error(_LOGGER, logging.ERROR, text, claim.job_id, error=error, fields=run.fields())
            settlement = Fail(claim.job_id, claim.token, encode_error(error, 0), keep=True)
        self._jobs.end(claim, run, settlement)
        self._on_ended()
