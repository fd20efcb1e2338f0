"""For the tests of applications: run the due jobs, see what was pushed, and assert what became of it."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context
from datetime import timedelta
from itertools import count
from typing import Any, Protocol, TypeAlias, TypeVar, cast, overload
from uuid import uuid4

from jobsvalkey.contract import Exchanged, JobName, JobStatus, NamedParameters, Settlement, StoredJob
from jobsvalkey.runtime import JobQueue, JobRecord, ProcessorOptions, Push, Task
from jobsvalkey.runtime.codec import RequestEncoder, make_decoder, read_request, split_request
from jobsvalkey.runtime.job import name_of, unpack_job
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey.runtime.outbox import WorkerOutbox
from jobsvalkey.runtime.reports import Letter
from jobsvalkey_memory.clock import START, ManualClock
from jobsvalkey_memory.queue import MemoryJobQueue

P = TypeVar("P")
T = TypeVar("T")

TwinQueue: TypeAlias = JobQueue[MemoryJobQueue[ManualClock]]
"""The type of the fixture `job_queue`."""
_Queue: TypeAlias = JobQueue[MemoryJobQueue[Any]]

_DEFAULT_OPTIONS = ProcessorOptions()
_HOLD_FOR = timedelta(days=3650)
_LISTEN_FOR = timedelta(hours=1)
_LISTED = 50


async def run_until_idle(
    queue: _Queue,
    *,
    max_runs: int = 10_000,
    options: ProcessorOptions = _DEFAULT_OPTIONS,
    state: object = None,
) -> int:
    """Run all jobs that are due, and those that they push, one after the other, in the calling task.

    They run as in a processor: from the JSON of their parameters, with middleware, timeouts and retries; earliest due
    time first, then by id. A job that is aborted meanwhile is cancelled. Jobs that are not due yet stay: advance the
    clock, and call this again. Handlers get the `state`; no lifespan is entered.

    Returns:
        The number of runs; each attempt counts as one.

    Raises:
        ConfigurationError: the state lacks something that tasks need.
        AssertionError: jobs are still due after `max_runs`.
    """
    driver, runner, worker, runs = queue.driver, queue.runner(options, state=state), f"run_until_idle-{uuid4()}", 0
    runner.check_state()
    await driver.open_worker(worker, _HOLD_FOR)
    caller, running = asyncio.current_task(), dict[bytes, JobRun]()
    cancelled_before = 0 if caller is None else caller.cancelling()

    async def hear_of_aborts() -> None:
        while True:
            await driver.wait(worker, _LISTEN_FOR, work=False)
            for token in (await driver.renew(worker, _HOLD_FOR)).aborts & running.keys():
                running.pop(token).abort()

    news, numbers = asyncio.Event(), count()
    outbox = WorkerOutbox(news.set)

    async def exchange(settlements: Sequence[Settlement], letters: Sequence[Letter], limit: int) -> Exchanged:
        if not letters:
            return await driver.exchange(worker, next(numbers), settlements, limit)
        reports = [letter.report for letter in letters]
        answer = await driver.exchange(worker, next(numbers), settlements, limit, reports=reports)
        outbox.answered(letters, answer.reported)
        return answer

    async def take_reports() -> None:
        while True:
            await news.wait()
            news.clear()
            await exchange((), outbox.take(driver.configuration.max_atomic_push_bytes), 0)

    listeners = [asyncio.create_task(each, context=Context()) for each in (hear_of_aborts(), take_reports())]
    try:
        settlements, letters = list[Settlement](), list[Letter]()
        while True:
            exchanged = await exchange(settlements, letters, 1)
            claims, settlements, letters = exchanged.claims, [], []
            if not claims and exchanged.until_next == 0:
                continue  # more jobs have expired than one exchange ends
            if not claims:
                break
            if runs == max_runs:
                raise AssertionError(
                    f"jobs are still due after {max_runs:,} runs: does one push itself, or sleep for no time?\n"
                    + _listing(queue)
                )
            claim = claims[0]
            run = running[claim.token] = JobRun(owner=caller)
            run.task, run.outbox = caller, outbox
            settlement = await runner.run(claim, run)
            letter = None if run.reports is None else outbox.last_words(run.reports, settlement)
            settlements, letters = [settlement], [] if letter is None else [letter]
            if running.pop(claim.token, None) is None and caller is not None:
                caller.uncancel()  # the abort was the job's alone
            if caller is not None and caller.cancelling() > cancelled_before:
                raise asyncio.CancelledError
            runs += 1
        return runs
    finally:
        outbox.close()
        for listener in listeners:
            listener.cancel()
        await driver.close_worker(worker)


class Run(Protocol):
    """The runner that `inline` gives."""

    def __call__(self, step: Coroutine[Any, Any, T], /) -> T:
        """Run a coroutine to its end, then all due jobs; return what the coroutine returned."""
        ...


@contextmanager
def inline(queue: _Queue, *, state: object = None) -> Generator[Run]:
    """Give a test that is not a coroutine an event loop for the block, in which pushed jobs run at once.

    `with inline(queue) as run: run(sign_up(...))` runs the coroutine, and then what is due, as `run_until_idle` does. A
    queue belongs to one event loop, so make one for each block.
    """
    with asyncio.Runner() as runner:

        def run(step: Coroutine[Any, Any, T], /) -> T:
            result = runner.run(step)
            runner.run(run_until_idle(queue, state=state))
            return result

        yield run


@overload
def pushed(queue: _Queue, job: type[P], /) -> list[P]: ...


@overload
def pushed(queue: _Queue, job: JobName[P], /) -> list[P]: ...


@overload
def pushed(queue: _Queue, job: Task[..., Any], /) -> list[Any]: ...


def pushed(queue: _Queue, job: Any, /) -> list[Any]:
    """Return the parameters of all jobs of a type, a `JobName` or a task that were pushed, in order.

    They are decoded from what is stored; those of a task have a field for each argument. A push of an existing id
    stores nothing, and does not count; nor do retries. Only the last 10,000 pushes are known.

    Raises:
        TypeError: `job` is none of these.
    """
    if not isinstance(job, JobName | Task | type):
        raise TypeError(
            f"pushed takes a type of parameters, a JobName or a task, not {job!r}: for one job, use assert_pushed"
        )
    decode = _decoder(queue, _named(job))
    return [decode(each.request) for each in _matching(queue, job, queue.driver.state.pushed)]


def assert_pushed(queue: _Queue, job: Any, /, *, count: int | None = None, delay: timedelta | None = None) -> None:
    """Assert that a job was pushed, whatever has happened to it since.

    Parameters are the same if they are equal (`==`) once they are decoded, or are stored in the same way.

    Args:
        queue: the queue.
        job: parameters, `JobName.with_parameters(...)`, `task.with_parameters(...)`, or, for any parameters, a type of
            them, a `JobName` or a task.
        count: how many times; `None` means at least once.
        delay: how long after its push it was due; `None` means any time.

    Raises:
        AssertionError: it was not; the message shows what was pushed.
        TypeError: the job is a `Push`.
    """
    __tracebackhide__ = True
    found = _matching(queue, job, queue.driver.state.pushed)
    if delay is not None:
        found = [each for each in found if each.due == each.stored_at + delay]
    _check(queue, job, "was pushed" + ("" if delay is None else f" with a delay of {delay}"), found, count)


def assert_not_pushed(queue: _Queue, job: Any, /) -> None:
    """Assert that a job was never pushed.

    Raises:
        AssertionError: it was; the message shows what was pushed.
    """
    __tracebackhide__ = True
    assert_pushed(queue, job, count=0)


def assert_completed(queue: _Queue, job: Any, /, *, count: int | None = None) -> None:
    """Assert that a job ran to its end, retained or not.

    Args:
        queue: the queue.
        job: as for `assert_pushed`.
        count: how many times; `None` means at least once.

    Raises:
        AssertionError: it did not; the message shows what became of the jobs.
    """
    __tracebackhide__ = True
    _check(queue, job, "completed", _ended(queue, job, JobStatus.COMPLETED), count)


def assert_failed(queue: _Queue, job: Any, /, *, count: int | None = None, error: str = "") -> None:
    """Assert that a job failed for good: a job that will be tried again has not failed yet.

    Args:
        queue: the queue.
        job: as for `assert_pushed`.
        count: how many times; `None` means at least once.
        error: a part of `Type: message` of the last attempt's error.

    Raises:
        AssertionError: it did not; the message shows what became of the jobs.
    """
    __tracebackhide__ = True
    found = [each for each in _ended(queue, job, JobStatus.FAILED) if error in _error_of(each)]
    _check(queue, job, "failed" + (f" with {error!r}" if error else ""), found, count)


def assert_cancelled(queue: _Queue, job: Any, /, *, count: int | None = None) -> None:
    """Assert that a job was cancelled, retained or not.

    Args:
        queue: the queue.
        job: as for `assert_pushed`.
        count: how many times; `None` means at least once.

    Raises:
        AssertionError: it was not; the message shows what became of the jobs.
    """
    __tracebackhide__ = True
    _check(queue, job, "was cancelled", _ended(queue, job, JobStatus.CANCELLED), count)


def _check(queue: _Queue, job: Any, expected: str, found: Sequence[StoredJob], count: int | None) -> None:
    __tracebackhide__ = True
    if len(found) == count or (found and count is None):
        return
    request = _request_of(queue, job)
    what = _named(job).name if request is None else f"{_named(job).name} {_json_of(request)}"
    times = "" if count is None else " not at all" if count == 0 else f" {count} times"
    raise AssertionError(f"expected: {what} {expected}{times}; found {len(found)}\n{_listing(queue)}")


def _named(job: Any) -> JobName[Any]:
    """The name of a job, and the type of its parameters."""
    if isinstance(job, JobName):
        return cast("JobName[Any]", job)
    if isinstance(job, Task):
        return cast("Task[..., Any]", job).job
    if isinstance(job, NamedParameters):
        return cast("NamedParameters[Any]", job).job
    if isinstance(job, Push):
        raise TypeError(f"an assertion takes the parameters of a Push, not the {job!r}, and assert_pushed its delay=")
    kind = cast("type[Any]", job if isinstance(job, type) else type(job))
    return JobName(name_of(kind), kind)


def _request_of(queue: _Queue, job: Any) -> bytes | None:
    """A job as it would be stored, if it has parameters."""
    if isinstance(job, JobName | Task | type):
        return None
    name, parameters, kind = unpack_job(job)
    return RequestEncoder(queue.values)(name, parameters, START, kind=kind)


def _json_of(request: bytes | None) -> str:
    """The parameters in a request."""
    return bytes(read_request(request or b"")[1].parameters).decode()


def _decoder(queue: _Queue, named: JobName[Any]) -> Callable[[bytes | None], Any]:
    decode = make_decoder(named.parameters, queue.values)
    return lambda request: decode(split_request(request or b"")[1]).parameters


def _matching(queue: _Queue, job: Any, stored: Iterable[StoredJob]) -> list[StoredJob]:
    named, request = _named(job), _request_of(queue, job)
    found = [each for each in stored if JobRecord.from_stored(each).name == named.name]
    if request is None:
        return found
    decode = _decoder(queue, named)

    def is_same(other: bytes | None) -> bool:
        # As text, too, for parameters that are equal to nothing but themselves.
        with suppress(Exception):  # the other one may be of another type
            return _json_of(other) == _json_of(request) or decode(other) == decode(request)
        return False

    return [each for each in found if is_same(each.request)]


def _ended(queue: _Queue, job: Any, status: JobStatus) -> list[StoredJob]:
    return [each for each in _matching(queue, job, queue.driver.state.ended) if each.status is status]


def _error_of(stored: StoredJob) -> str:
    error = JobRecord.from_stored(stored).error
    return "" if error is None else f"{error.type}: {error.message}"


def _listing(queue: _Queue) -> str:
    """The jobs that were pushed last, and what has become of them."""
    state = queue.driver.state
    ended = {each.job_id: each for each in state.ended}
    lines: list[str] = []
    for each in list(state.pushed)[-_LISTED:]:
        record = JobRecord.from_stored(each)
        due = (each.due or each.stored_at) - each.stored_at
        latest = state.jobs.get(each.job_id) or ended.get(each.job_id)
        fate = "removed" if latest is None else str(latest.status)
        if latest is not None and latest.due is not None and latest.status is not JobStatus.PROCESSING:
            fate += f", due in {max(latest.due - queue.driver.clock.now(), timedelta(0))}"
        if latest is not None and (error := _error_of(latest)):
            fate += f", {error}"
        lines.append(f"  {record.name} {record.parameters}{f', delay {due}' if due else ''} -> {fate}")
    return "\n".join(["What was pushed:", *lines]) if lines else "Nothing was pushed."
