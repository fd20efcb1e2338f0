"""Calls a handler that takes more than an `await`: one with a timeout, or one that blocks and gets a thread."""

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable
from typing import Any

from jobsvalkey.contract import JobTimeout
from jobsvalkey.runtime.context import JobContext, RunControl
from jobsvalkey.runtime.registry import RegisteredJob


async def call_handler(job: RegisteredJob, parameters: Any, context: JobContext, control: RunControl) -> None:
    """Call the handler, within its timeout.

    Raises:
        JobTimeout: it took longer.
    """
    if job.is_coroutine:
        await _await_in_time(job, job.handler(parameters, context))
    else:
        await _call_in_thread(job, parameters, context, control)


async def _await_in_time(job: RegisteredJob, call: Awaitable[None]) -> None:
    limit = asyncio.timeout(job.timeout)
    try:
        async with limit:
            await call
    except TimeoutError as error:
        if limit.expired():
            raise _timeout(job) from error
        raise


async def _call_in_thread(job: RegisteredJob, parameters: Any, context: JobContext, control: RunControl) -> None:
    """Call a plain function. A thread cannot be stopped, so whatever happens meanwhile, this waits for its end.

    Each call has a thread of its own, a daemon: a handler that never ends cannot keep the process from leaving, as
    it would in a pool.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    copied = contextvars.copy_context()

    def work() -> None:
        try:
            outcome = copied.run(job.handler, parameters, context), None
        except BaseException as error:
            outcome = None, error
        # The loop may be closed by the time a handler ends that was left behind.
        if not loop.is_closed():
            loop.call_soon_threadsafe(_set, ended, outcome)

    control.in_thread = True
    threading.Thread(target=work, name=f"job {context.job_id}", daemon=True).start()
    deadline = None if job.timeout is None else loop.time() + job.timeout
    timed_out = False
    while not ended.done():
        try:
            wait_for = None if deadline is None or timed_out else max(0.0, deadline - loop.time())
            await asyncio.wait([ended], timeout=wait_for)
        except asyncio.CancelledError:
            if control.abandoned or not control.cancelled:
                raise
            continue
        if not ended.done():
            timed_out = control.cancelled = True
    control.in_thread = False
    result, error = ended.result()
    if timed_out:
        raise _timeout(job) from error
    if error is not None:
        raise error
    if inspect.isawaitable(result):  # a coroutine function behind a plain decorator
        await _await_in_time(job, result)


def _set(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _timeout(job: RegisteredJob) -> JobTimeout:
    return JobTimeout(f"job {job.name!r} ran longer than its timeout of {job.timeout:g} s")
