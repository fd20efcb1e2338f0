"""Runs one claim, from its bytes to the settlement that ends it."""

import asyncio
import logging
from datetime import timedelta
from functools import partial
from typing import Any, cast

from jobsvalkey.contract import (
    Capability,
    Claim,
    Due,
    Fail,
    Finish,
    InvalidParameters,
    JobAbandoned,
    QueueDriver,
    Retry,
    Settlement,
    UnknownJob,
    check_due,
)
from jobsvalkey.contract.spans import LONGEST_DELAY
from jobsvalkey.middleware import CompletedJob, JobOutcome, PoppedJob
from jobsvalkey.runtime.calls import NoThread, call_handler, refuse_unrun, thread_ended
from jobsvalkey.runtime.codec import Request, read_request, split_request, with_attempt
from jobsvalkey.runtime.context import JobContext
from jobsvalkey.runtime.failure import encode_error, is_a, log_error, message_of
from jobsvalkey.runtime.job import JobFail, JobSleep
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey.runtime.middleware_chain import MiddlewareChain, is_current
from jobsvalkey.runtime.options import ProcessorOptions
from jobsvalkey.runtime.registry import JobRegistry, RegisteredJob
from jobsvalkey.runtime.reports import ReportSettings
from jobsvalkey.runtime.state import State

_LOGGER = logging.getLogger("jobsvalkey.worker")

_ZERO = timedelta(0)
_LONGEST_UNKNOWN_DELAY = timedelta(seconds=60)
NO_THREAD_DELAY = timedelta(seconds=10)
"""How long a job goes back for that could not be given a thread."""


class JobRunner:
    """Runs claims of one queue: decodes, calls the middleware and the handler, and decides what becomes of the job.

    It claims and settles nothing, so it needs no processor: whoever holds a claim may run it here, and then gives
    the settlement to the driver.
    """

    def __init__(
        self,
        registry: JobRegistry,
        driver: QueueDriver,
        chain: MiddlewareChain,
        options: ProcessorOptions,
        state: object = None,
    ) -> None:
        self._registry = registry
        self._state = State(state)
        self._clock = driver.clock
        self._chain = chain
        self._reporting = ReportSettings(
            registry.values,
            driver.configuration.max_payload,
            Capability.REPORTS in driver.capabilities,
            type(driver).__name__,
        )
        self._can_store = Capability.RESULTS in driver.capabilities
        self._retains = driver.configuration.retention_policy.completed_jobs.keeps
        self._largest = driver.configuration.max_payload
        self._max_recoveries = options.max_recoveries
        self._unknown_job = options.unknown_job

    def use_state(self, state: object) -> None:
        """Give handlers this state from now on.

        Raises:
            ConfigurationError: it lacks something that a task needs.
        """
        self._state = State(state)
        self.check_state()

    def check_state(self) -> None:
        """Check that the state has everything that tasks are to be given.

        Raises:
            ConfigurationError: it lacks something.
        """
        self._registry.check_state(self._state)

    async def run(self, claim: Claim, job_run: JobRun | None = None) -> Settlement:
        """Run one claim in the calling task, and return the settlement that ends it.

        Errors of the handler end up in the settlement. With a `job_run`, by which its worker can cancel the job, so
        does every cancellation; without one, a cancellation of the calling task is raised.
        """
        run = JobRun() if job_run is None else job_run
        run.claim, run.job_id = claim, claim.job_id
        try:
            job, request = self._read(claim)
        except (InvalidParameters, UnknownJob, JobAbandoned) as error:
            return await self._discard(claim, error, run)
        run.job_name = job.name
        run.attempt = 1 if claim.reset_attempt else request.attempt
        context = JobContext(
            claim.job_id, job.name, run.attempt, request, job.retry_strategy, run, self._state, self._reporting
        )
        if logged := _LOGGER.isEnabledFor(logging.DEBUG):
            _LOGGER.debug("job %r starts, attempt %d", run.job_name, run.attempt, extra=run.fields())
        # Who asks for the running loop, or for its task, makes a system call (before Python 3.12).
        now = asyncio.get_running_loop().time if logged or self._chain.at_run else None
        task = run.task or asyncio.current_task()
        started, failure = None, None
        ended: tuple[Settlement, JobOutcome] | None = Finish(claim.job_id, claim.token), JobOutcome.SUCCEEDED
        try:
            if not self._chain.at_run:
                started = now and now()
                if job.timeout is None and job.is_coroutine:
                    # As `call_handler` does, but for one coroutine more: so it is for nearly all jobs.
                    if (result := await job.handler(request.parameters, context)) is not None:
                        refuse_unrun(job, result)
                        run.result = result
                else:
                    await call_handler(job, request.parameters, context, run)
            else:
                popped = self._popped(claim, request, context)
                await self._chain.pop(popped)
                handler = partial(call_handler, job, request.parameters, context, run)
                started = now and now()
                await self._chain.around(popped, handler)()
            if run.result is not None and self._can_store and (self._retains or claim.keep_for is not None):
                ended = self._returned(claim, job, run), JobOutcome.SUCCEEDED
        except BaseException as error:
            if is_a(error, GeneratorExit) and not is_current(task):
                raise  # nobody goes on with this coroutine: its event loop was closed
            failure = error
            given_up = task is not None and task.cancelling() > 0 if job_run is None else run.abandoned
            if given_up and is_a(error, asyncio.CancelledError):
                ended = None  # nothing is settled: the caller gives up, or the worker leaves without the thread
            else:
                ended = self._after_error(claim, job, request, run, error)
        if run.thread is not None and run.in_thread and not run.abandoned:
            try:
                await thread_ended(run)  # middleware has not: the slot is free when the thread is
            except asyncio.CancelledError:
                if job_run is None or run.abandoned:
                    ended = None
        duration = now() - started if now and started is not None else 0.0
        outcome = JobOutcome.CANCELLED if ended is None else ended[1]
        if logged:
            fields = {**run.fields(), "outcome": outcome.value, "duration": duration}
            _LOGGER.debug("job %r %s after %.3f s", run.job_name, outcome.value, duration, extra=fields)
        if self._chain.at_run:
            run.ended = True  # what middleware has begun, and not waited for, takes no slot that is free by now
            completed = CompletedJob(
                job_id=claim.job_id,
                name=job.name,
                attempt=context.attempt,
                parameters=request.parameters,
                outcome=outcome,
                error=failure,
                duration=duration,
                trace=context.trace,
            )
            await self._completed(completed, job_run)
        if ended is None:
            raise asyncio.CancelledError
        return ended[0]

    def _returned(self, claim: Claim, job: RegisteredJob, run: JobRun) -> Settlement:
        """Finish a job with its result. One that nobody asked for is left out if it cannot be stored.

        Raises:
            JobFail: it cannot be stored, and was to be kept.
        """
        try:
            result = job.results.write(run.result)
            if len(result) > self._largest:
                raise ValueError(
                    f"it has {len(result):,} bytes, more than max_payload ({self._largest:,}): "
                    "store large data elsewhere and return a reference, or raise max_payload"
                )
        except Exception as error:
            text = f"the result of job {job.name!r} cannot be stored as {job.results!r}: {message_of(error)}"
            if claim.keep_for is None:
                _LOGGER.debug("%s; it is left out", text, extra=run.fields())
                return Finish(claim.job_id, claim.token)
            raise JobFail(text) from error
        return Finish(claim.job_id, claim.token, result)

    async def _completed(self, completed: CompletedJob, job_run: JobRun | None) -> None:
        try:
            await self._chain.completed(completed)
        except asyncio.CancelledError:
            # What became of the job is decided: a cancellation that comes now must not make it run again.
            if job_run is None:
                raise

    def _popped(self, claim: Claim, request: Request[Any], context: JobContext) -> PoppedJob:
        return PoppedJob(
            job_id=claim.job_id,
            name=context.name,
            parameters=request.parameters,
            attempt=context.attempt,
            is_last_attempt=context.is_last_attempt,
            queued_at=context.queued_at,
            scheduled_at=context.scheduled_at,
            due=claim.due,
            waited=max(0.0, (self._clock.now() - claim.due).total_seconds()),
            trace=context.trace,
        )

    def _read(self, claim: Claim) -> tuple[RegisteredJob, Request[Any]]:
        if self._max_recoveries is not None and claim.recoveries > self._max_recoveries:
            raise JobAbandoned(
                f"{claim.recoveries} workers died while they ran this job, more than max_recoveries "
                f"({self._max_recoveries}): see what it does to its process, then rerun it"
            )
        if claim.request is None:
            raise InvalidParameters(
                "the store has lost the job's request: it was evicted or deleted, or a Swift worker has ended or "
                "cancelled the job; look whether the job has run, since it may run twice if you push it again"
            )
        name, body = split_request(claim.request)
        job = self._registry.find(name)
        try:
            return job, job.decode(body)
        except BaseException as error:  # the parameters' own code runs here
            raise InvalidParameters(
                f"the request of job {name!r} does not fit its parameters: {message_of(error)}"
            ) from error

    async def _discard(
        self, claim: Claim, error: InvalidParameters | UnknownJob | JobAbandoned, run: JobRun
    ) -> Settlement:
        """Settle a job that cannot run."""
        run.job_name, run.attempt = name, attempt = _name_and_attempt(claim)
        if isinstance(error, UnknownJob) and name is not None and self._unknown_job == "retry":
            # Twice as late each time: the delay is the age of the job, from a second to a minute.
            age = self._clock.now() - claim.stored_at
            delay = min(max(age, timedelta(seconds=1)), _LONGEST_UNKNOWN_DELAY)
            _LOGGER.warning("%s; job %s goes back for %s", error, claim.job_id, delay, extra=run.fields())
            return _put_off(claim, delay)
        _LOGGER.error("job %s is discarded: %s", claim.job_id, error, extra=run.fields())
        settlement = Fail(claim.job_id, claim.token, encode_error(error.with_traceback(None), attempt), keep=True)
        if self._chain.at_run:
            completed = CompletedJob(
                job_id=claim.job_id,
                name=name,
                attempt=attempt,
                outcome=JobOutcome.DISCARDED,
                error=error,
                duration=0.0,
                trace={},
            )
            await self._completed(completed, run)
        return settlement

    def _after_error(
        self, claim: Claim, job: RegisteredJob, request: Request[Any], run: JobRun, error: BaseException
    ) -> tuple[Settlement, JobOutcome]:
        """Decide what becomes of a job whose run ended with `error`."""
        attempt = run.attempt
        if is_a(error, NoThread):
            _LOGGER.error("%s; it goes back for %s", error, NO_THREAD_DELAY, extra=run.fields())
            return _put_off(claim, NO_THREAD_DELAY), JobOutcome.CANCELLED
        if (run.called_off and not is_a(error, JobFail, JobSleep)) or (run.aborted and not is_a(error, JobFail)):
            # However the handler answers its cancellation, that is what ended it.
            return run.give_back(claim), JobOutcome.CANCELLED
        try:
            if is_a(error, JobSleep):
                sleep = cast("JobSleep", error)
                following = {"keep": attempt, "reset": 1, "increment": attempt + 1}[sleep.attempts]
                return _again(claim, request, following, check_due(sleep.due, "due")), JobOutcome.SLEPT
            retried = not is_a(error, JobFail) and bool(job.retry_strategy.should_retry(attempt, error))
            delay = min(max(job.retry_strategy.delay(attempt), _ZERO), LONGEST_DELAY) if retried else _ZERO
        except BaseException as broken:
            text = "the retry strategy of job %r failed, and the job with it"
            log_error(_LOGGER, logging.ERROR, text, job.name, error=broken, fields=run.fields())
            error, retried, delay = broken, False, _ZERO
        record = encode_error(error, attempt)
        if not retried:
            text = "job %r failed, attempt %d"
            log_error(_LOGGER, logging.ERROR, text, job.name, attempt, error=error, fields=run.fields())
            return Fail(claim.job_id, claim.token, record), JobOutcome.FAILED
        text = "job %r failed, attempt %d, and runs again in %s"
        log_error(_LOGGER, logging.WARNING, text, job.name, attempt, delay, error=error, fields=run.fields())
        return _again(claim, request, attempt + 1, delay, record), JobOutcome.RETRIED


def _again(claim: Claim, request: Request[Any], attempt: int, due: Due, error: bytes | None = None) -> Settlement:
    changed = None
    if attempt != request.attempt and claim.request is not None:
        changed = with_attempt(claim.request, attempt)
    return Retry(claim.job_id, claim.token, changed, due, error)


def _put_off(claim: Claim, delay: timedelta) -> Settlement:
    """Put a job that has not run back, to run later as it would have run now."""
    # Its next worker will not be told that it was rerun, so the request has to say it.
    request = with_attempt(claim.request, 1) if claim.reset_attempt and claim.request else None
    return Retry(claim.job_id, claim.token, request, delay)


def _name_and_attempt(claim: Claim) -> tuple[str | None, int]:
    """Read what can be read of a job that cannot run."""
    try:
        name, request = read_request(claim.request or b"")
    except InvalidParameters:
        return None, 0
    return name, 1 if claim.reset_attempt else request.attempt
