"""Calls a handler: a coroutine in the event loop, a plain function in a thread, both within their timeout."""

import asyncio
import contextvars
import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Generator
from contextlib import AsyncContextDecorator, ContextDecorator, suppress
from functools import partial
from types import FunctionType, MethodType, TracebackType
from typing import Any, cast

from jobsvalkey.contract import JobTimeout
from jobsvalkey.contract.option_types import with_article
from jobsvalkey.runtime.context import JobContext
from jobsvalkey.runtime.job import JobFail
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey.runtime.registry import RegisteredJob

_NOT_RUN: tuple[type[Any], ...] = (
    Awaitable,
    Generator,
    AsyncGenerator,
    ContextDecorator,
    AsyncContextDecorator,
    FunctionType,
    MethodType,
    partial,
)
"""The types of results that have not run yet: somebody has to await, iterate, enter or call it."""


class NoThread(Exception):
    """The process cannot start another thread, so the handler was not called."""


async def call_handler(job: RegisteredJob, parameters: Any, context: JobContext, run: JobRun) -> None:
    """Call the handler, within its timeout, and keep what it returns as the result of the run.

    Raises:
        JobTimeout: its time was up before it ended, whatever it did after that.
        JobFail: it returned something that has still to be run, such as a coroutine.
        NoThread: it was not called.
        RuntimeError: the run has ended, because middleware did not wait for this call.
    """
    _check_running(run)
    run.result = None
    if job.timeout is None:
        if not job.is_coroutine:
            await _call(job, parameters, context, run)
        elif (result := await job.handler(parameters, context)) is not None:
            refuse_unrun(job, result)
            run.result = result
    else:
        with _TimeLimit(job, job.timeout, run):
            await _call(job, parameters, context, run)


def _check_running(run: JobRun) -> None:
    if run.ended:
        raise RuntimeError(f"the run of job {run.job_id} has ended, its handler is not called: await call_next()")


async def _call(job: RegisteredJob, parameters: Any, context: JobContext, run: JobRun) -> None:
    if job.is_coroutine:
        result = await job.handler(parameters, context)
    else:
        result = await _call_in_thread(job, parameters, context, run)
        if inspect.isawaitable(result):  # a coroutine function behind a plain decorator
            if run.cancelled:
                _close(result)
                raise asyncio.CancelledError
            result = await result
    if result is not None:
        refuse_unrun(job, result)
        run.result = result


def refuse_unrun(job: RegisteredJob, result: Any) -> None:
    """Look at what a handler returned.

    Raises:
        JobFail: it has still to be run.
    """
    kind = cast("type[Any]", type(result))
    if issubclass(kind, _NOT_RUN):
        _close(result)
        raise JobFail(
            f"the handler of job {job.name!r} returned {with_article(kind.__qualname__)}, which nobody runs: "
            "await or call it in the handler, or look at the decorators around it"
        )


def _close(result: Any) -> None:
    if inspect.iscoroutine(result):
        result.close()  # else Python warns that nobody has awaited it


class _TimeLimit:
    """Asks the handler to end when its time is up, and turns whatever it does after that into a `JobTimeout`."""

    def __init__(self, job: RegisteredJob, seconds: float, run: JobRun) -> None:
        self._job = job
        self._seconds = seconds
        self._run = run
        self._task = asyncio.current_task()
        self._has_cancelled = False

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._run_out)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._has_cancelled and self._task is not None:
            self._task.uncancel()
        if self._run.timed_out:
            message = f"job {self._job.name!r} ran longer than its timeout of {self._seconds:g} s"
            raise JobTimeout(message) from error

    def _run_out(self) -> None:
        if self._run.called_off:
            return  # it ends already, and its job goes back
        self._run.timed_out = self._run.cancelled = True
        if not self._run.in_thread and self._task is not None:
            self._has_cancelled = True
            self._task.cancel()


async def _call_in_thread(job: RegisteredJob, parameters: Any, context: JobContext, run: JobRun) -> Any:
    """Call a plain function. A thread cannot be stopped, so whatever happens meanwhile, this waits for its end.

    Each call has a daemon thread of its own: a handler that never ends cannot keep the process from ending, as it would
    in a pool.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    copied = contextvars.copy_context()

    def work() -> None:
        try:
            outcome = copied.run(job.handler, parameters, context), None
        except BaseException as error:
            outcome = None, error
        with suppress(RuntimeError):  # the loop may be closed by the time a handler ends that was left behind
            loop.call_soon_threadsafe(_set, ended, outcome)

    if run.in_thread:
        await thread_ended(run)  # middleware calls the handler once more, and has not waited
        _check_running(run)
    try:
        threading.Thread(target=work, name=f"job {context.job_id}", daemon=True).start()
    except (RuntimeError, MemoryError) as error:
        raise NoThread(f"no thread for job {job.name!r}: {error}") from error
    run.thread = ended
    try:
        await thread_ended(run)
    except asyncio.CancelledError:
        if ended.done():
            _close(ended.result()[0])
        raise
    result, error = ended.result()
    if error is not None:
        raise error
    return result


async def thread_ended(run: JobRun) -> None:
    """Wait for the end of the handler's thread, unless it is abandoned.

    A cancellation that does not come from the worker, such as a timeout of middleware, is raised only then.
    """
    interrupted = False
    while (thread := run.thread) is not None and not thread.done():
        try:
            await asyncio.wait([thread])
        except asyncio.CancelledError:
            if run.abandoned:
                raise
            interrupted = interrupted or not run.called_off
            run.cancelled = True
    if interrupted:
        raise asyncio.CancelledError


def _set(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)
