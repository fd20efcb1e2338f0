"""Runs one claim, from its bytes to the settlement that ends it."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

from jobsvalkey.contract import (
    Claim,
    Due,
    Fail,
    Finish,
    InvalidParameters,
    JobAbandoned,
    QueueDriver,
    Release,
    Retry,
    Settlement,
    UnknownJob,
)
from jobsvalkey.contract.checks import LONGEST_DELAY
from jobsvalkey.middleware import CompletedJob, JobOutcome, PoppedJob
from jobsvalkey.runtime.calls import call_handler
from jobsvalkey.runtime.codec import Request, read_request, split_request, with_attempt
from jobsvalkey.runtime.context import JobContext, RunControl
from jobsvalkey.runtime.failure import encode_error
from jobsvalkey.runtime.hooks import Hooks
from jobsvalkey.runtime.job import JobFail, JobSleep
from jobsvalkey.runtime.options import ProcessorOptions
from jobsvalkey.runtime.registry import JobRegistry, RegisteredJob

_LOGGER = logging.getLogger("jobsvalkey.worker")

_ZERO = timedelta(0)
_LONGEST_UNKNOWN_DELAY = timedelta(seconds=60)


class JobRunner:
    """Runs claims of one queue: decodes, calls the middleware and the handler, and decides what becomes of the job.

    It claims and settles nothing, so it needs no processor: whoever holds a claim may run it here, and then gives
    the settlement to the driver.
    """

    def __init__(self, registry: JobRegistry, driver: QueueDriver, hooks: Hooks, options: ProcessorOptions) -> None:
        self._registry = registry
        self._clock = driver.clock
        self._hooks = hooks
        self._max_recoveries = options.max_recoveries
        self._unknown_job = options.unknown_job

    async def run(self, claim: Claim, control: RunControl | None = None) -> Settlement:
        """Run one claim in the calling task; the settlement that ends it.

        Errors of the handler end up in the settlement. With a `control`, by which its worker can cancel the job, so
        does every cancellation; without one, a cancellation of the calling task is raised.
        """
        held = RunControl() if control is None else control
        held.job_id = claim.job_id
        try:
            job, request = self._read(claim)
        except (InvalidParameters, UnknownJob, JobAbandoned) as error:
            return await self._discard(claim, error, held)
        held.job_name = job.name
        held.attempt = attempt = 1 if claim.reset_attempt else request.attempt
        context = JobContext(claim.job_id, job.name, attempt, request, job.retry_strategy, held)
        began = _log_start(held) if _LOGGER.isEnabledFor(logging.DEBUG) else None
        settlement: Settlement = Finish(claim.job_id, claim.token)
        outcome = JobOutcome.SUCCEEDED
        if self._hooks.at_run:
            settlement, outcome = await self._run_with_hooks(claim, job, request, context, held, control)
        else:
            try:
                if job.is_coroutine and job.timeout is None:
                    await job.handler(request.parameters, context)
                else:
                    await call_handler(job, request.parameters, context, held)
            except BaseException as error:
                settlement, outcome = self._after_error(claim, job, request, held, error, control)
        if began is not None:
            _log_end(held, outcome, began)
        return settlement

    async def _run_with_hooks(
        self,
        claim: Claim,
        job: RegisteredJob,
        request: Request[Any],
        context: JobContext,
        held: RunControl,
        control: RunControl | None,
    ) -> tuple[Settlement, JobOutcome]:
        now = asyncio.get_running_loop().time
        started: float | None = None
        failure: BaseException | None = None
        popped = PoppedJob(
            job_id=claim.job_id,
            name=job.name,
            parameters=request.parameters,
            attempt=context.attempt,
            is_last_attempt=context.is_last_attempt,
            queued_at=context.queued_at,
            due=claim.due,
            waited=max(0.0, (self._clock.now() - claim.due).total_seconds()),
            trace=context.trace,
        )
        ended: tuple[Settlement, JobOutcome] | None = Finish(claim.job_id, claim.token), JobOutcome.SUCCEEDED
        try:
            await self._hooks.pop(popped)
            started = now()
            await self._hooks.around(popped, lambda: call_handler(job, request.parameters, context, held))()
        except BaseException as error:
            failure = error
            try:
                ended = self._after_error(claim, job, request, held, error, control)
            except asyncio.CancelledError:
                # Nothing is settled: the caller gives up, or the worker leaves without the thread.
                ended = None
        completed = CompletedJob(
            job_id=claim.job_id,
            name=job.name,
            attempt=context.attempt,
            outcome=JobOutcome.CANCELLED if ended is None else ended[1],
            error=failure,
            duration=0.0 if started is None else now() - started,
            trace=context.trace,
        )
        try:
            await self._hooks.completed(completed)
        except asyncio.CancelledError:
            # What became of the job is decided: a cancellation that comes now must not make it run again.
            if control is None or not control.cancelled:
                raise
        if ended is None:
            raise asyncio.CancelledError
        return ended

    def _read(self, claim: Claim) -> tuple[RegisteredJob, Request[Any]]:
        if self._max_recoveries is not None and claim.recoveries > self._max_recoveries:
            raise JobAbandoned(
                f"{claim.recoveries} workers died while they ran this job, more than max_recoveries "
                f"({self._max_recoveries}): see what it does to its process, then rerun it"
            )
        if claim.request is None:
            raise InvalidParameters("the store has lost the job's request: push the job again")
        name, body = split_request(claim.request)
        job = self._registry.find(name)
        try:
            return job, job.decode(body)
        except Exception as error:
            raise InvalidParameters(f"the request of job {name!r} does not fit its parameters: {error}") from error

    async def _discard(
        self, claim: Claim, error: InvalidParameters | UnknownJob | JobAbandoned, held: RunControl
    ) -> Settlement:
        """The job cannot run."""
        held.job_name, held.attempt = name, attempt = _name_and_attempt(claim)
        extra = held.fields()
        if isinstance(error, UnknownJob) and name is not None and self._unknown_job == "retry":
            # Twice as late each time: the delay is the age of the job, from a second to a minute.
            age = self._clock.now() - claim.stored_at
            delay = min(max(age, timedelta(seconds=1)), _LONGEST_UNKNOWN_DELAY)
            # Its next worker will not be told that it was rerun, so the request has to say it.
            request = with_attempt(claim.request, 1) if claim.reset_attempt and claim.request else None
            _LOGGER.warning("%s; job %s goes back for %s", error, claim.job_id, delay, extra=extra)
            return Retry(claim.job_id, claim.token, request, delay)
        _LOGGER.error("job %s is discarded: %s", claim.job_id, error, extra=extra)
        settlement = Fail(claim.job_id, claim.token, encode_error(error.with_traceback(None), attempt), keep=True)
        if self._hooks.at_run:
            completed = CompletedJob(
                job_id=claim.job_id,
                name=name,
                attempt=attempt,
                outcome=JobOutcome.DISCARDED,
                error=error,
                duration=0.0,
                trace={},
            )
            await self._hooks.completed(completed)
        return settlement

    def _after_error(
        self,
        claim: Claim,
        job: RegisteredJob,
        request: Request[Any],
        held: RunControl,
        error: BaseException,
        control: RunControl | None,
    ) -> tuple[Settlement, JobOutcome]:
        """What becomes of a job whose handler raised `error`, which is raised again where it is not the handler's."""
        if isinstance(error, KeyboardInterrupt | GeneratorExit):
            raise error
        if isinstance(error, asyncio.CancelledError):
            if control is not None and control.abandoned:
                raise error
            if control is not None and control.cancelled:
                return Release(claim.job_id, claim.token), JobOutcome.CANCELLED
            task = asyncio.current_task()
            if control is None and task is not None and task.cancelling():
                raise error
        attempt = held.attempt
        if isinstance(error, JobSleep):
            following = {"keep": attempt, "reset": 1, "increment": attempt + 1}[error.attempts]
            return self._again(claim, request, following, error.due), JobOutcome.SLEPT
        try:
            retried = not isinstance(error, JobFail) and job.retry_strategy.should_retry(attempt, error)
            delay = min(max(job.retry_strategy.delay(attempt), _ZERO), LONGEST_DELAY) if retried else _ZERO
        except Exception as broken:
            _LOGGER.exception("the retry strategy of job %r failed, and the job with it", job.name, extra=held.fields())
            broken.__cause__, error, retried, delay = error, broken, False, _ZERO
        record, extra = encode_error(error, attempt), held.fields()
        if not retried:
            _LOGGER.error("job %r failed, attempt %d", job.name, attempt, exc_info=error, extra=extra)
            return Fail(claim.job_id, claim.token, record), JobOutcome.FAILED
        _LOGGER.warning(
            "job %r failed, attempt %d, and runs again in %s", job.name, attempt, delay, exc_info=error, extra=extra
        )
        return self._again(claim, request, attempt + 1, delay, record), JobOutcome.RETRIED

    def _again(
        self, claim: Claim, request: Request[Any], attempt: int, due: Due, error: bytes | None = None
    ) -> Settlement:
        changed = None
        if attempt != request.attempt and claim.request is not None:
            changed = with_attempt(claim.request, attempt)
        return Retry(claim.job_id, claim.token, changed, due, error)


def _name_and_attempt(claim: Claim) -> tuple[str | None, int]:
    """What can be read of a job that cannot run."""
    try:
        name, request = read_request(claim.request or b"")
    except InvalidParameters:
        return None, 0
    return name, 1 if claim.reset_attempt else request.attempt


def _log_start(held: RunControl) -> float:
    _LOGGER.debug("job %r starts, attempt %d", held.job_name, held.attempt, extra=held.fields())
    return asyncio.get_running_loop().time()


def _log_end(held: RunControl, outcome: JobOutcome, began: float) -> None:
    duration = asyncio.get_running_loop().time() - began
    fields = {**held.fields(), "outcome": outcome.value, "duration": duration}
    _LOGGER.debug("job %r %s after %.3f s", held.job_name, outcome.value, duration, extra=fields)
