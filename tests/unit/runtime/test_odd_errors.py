"""Whatever a handler, or what runs beside it, raises: the run is settled, its slot is free, and the worker goes on."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import CallNext, CompletedJob, JobContext, JobStatus, Middleware, NoRetry, PoppedJob
from jobsvalkey.contract import Fail, Retry
from jobsvalkey.runtime.failure import MAX_TRACEBACK, decode_error, encode_error
from tests.support.drivers import record_of, status_of
from tests.support.processors import options
from tests.support.work import Work
from tests.unit.runtime.support import make_queue, settle

END = (SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, RecursionError, MemoryError, KeyError)


def message_raises(kind: type[BaseException]) -> BaseException:
    class Odd(Exception):
        def __str__(self) -> str:
            raise kind

        __repr__ = __str__

    return Odd()


class AttributesRaise(Exception):
    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)


class EverythingRaises(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)

    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


class NoModule(Exception): ...


setattr(NoModule, "__module__", None)  # noqa: B010


class Text(str):
    __slots__ = ()

    def __getitem__(self, key: Any) -> str:
        raise SystemExit

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        raise SystemExit


class OddText(Exception):
    def __str__(self) -> str:
        return Text("odd")


def odd_syntax_error() -> SyntaxError:
    error = SyntaxError("odd")
    odd = {"lineno": "x", "offset": object(), "text": 5, "filename": b"\xff", "end_offset": "y", "end_lineno": "z"}
    for name, value in odd.items():
        setattr(error, name, value)
    return error


def odd_notes() -> Exception:
    error = ValueError("noted")
    setattr(error, "__notes__", 5)  # noqa: B010
    return error


def in_a_group(error: BaseException) -> BaseException:
    return BaseExceptionGroup("several", [error, ValueError()])


def caused_by(error: BaseException) -> BaseException:
    outer = ValueError("outer")
    outer.__cause__ = error
    return outer


ERRORS: dict[str, Callable[[], BaseException]] = {
    **{kind.__name__: kind for kind in END},
    **{f"message raises {kind.__name__}": lambda kind=kind: message_raises(kind) for kind in END},
    "attributes raise": AttributesRaise,
    "everything raises": EverythingRaises,
    "no module": NoModule,
    "odd text": OddText,
    "odd syntax error": odd_syntax_error,
    "odd notes": odd_notes,
    "in a group": lambda: in_a_group(message_raises(SystemExit)),
    "as a cause": lambda: caused_by(message_raises(SystemExit)),
    "a cause of which everything raises": lambda: caused_by(EverythingRaises()),
}


class Silent(Middleware):
    async def handle(self, job: PoppedJob, call_next: CallNext) -> None:
        await call_next()


@pytest.mark.parametrize("middleware", [[], [Silent()]], ids=["bare", "with middleware"])
@pytest.mark.parametrize("kind", ["coroutine", "coroutine that waits", "plain"])
@pytest.mark.parametrize("name", ERRORS)
async def test_an_odd_error_fails_the_job_and_frees_the_slot(
    name: str, kind: str, middleware: list[Middleware]
) -> None:
    queue = make_queue(middleware=middleware, default_retry_strategy=NoRetry())

    def plain(parameters: Work, context: JobContext) -> None:
        if parameters.number == 0:
            error = ERRORS[name]
            raise error()

    async def coroutine(parameters: Work, context: JobContext) -> None:
        if kind != "coroutine":
            await asyncio.sleep(0)
        plain(parameters, context)

    queue.register_job(Work, plain if kind == "plain" else coroutine)
    odd, following = await queue.push_many([Work(0), Work(1)])
    async with asyncio.timeout(10):
        await queue.processor(options(burst=True, num_workers=1)).run()
    record = await record_of(queue, odd)
    assert record.status is JobStatus.FAILED
    assert record.error is not None
    assert record.error.type
    assert record.error.attempt == 1
    assert await status_of(queue, following) is JobStatus.COMPLETED


@pytest.mark.parametrize("name", ERRORS)
async def test_an_odd_error_is_tried_again_as_any(name: str) -> None:
    queue = make_queue()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        error = ERRORS[name]
        raise error()

    assert isinstance(await settle(queue), Retry)


class Unruly(Middleware):
    def __init__(self, hook: str, error: Callable[[], BaseException]) -> None:
        self.hook, self.error = hook, error

    async def on_pop(self, job: PoppedJob) -> None:
        if self.hook == "on_pop":
            raise self.error()

    async def on_completed(self, job: CompletedJob) -> None:
        if self.hook == "on_completed":
            raise self.error()


@pytest.mark.parametrize("hook", ["on_pop", "on_completed"])
@pytest.mark.parametrize("name", sorted(ERRORS.keys() - {"CancelledError"}))
async def test_an_odd_error_of_middleware_changes_nothing(name: str, hook: str) -> None:
    queue = make_queue(middleware=[Unruly(hook, ERRORS[name])])
    ran: list[int] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.append(parameters.number)

    job_id = await queue.push(Work(3))
    async with asyncio.timeout(10):
        await queue.processor(options(burst=True)).run()
    assert await status_of(queue, job_id) is JobStatus.COMPLETED
    assert ran == [3]


async def test_a_cancellation_by_the_last_hook_does_not_give_a_job_back_that_has_ended() -> None:
    told: list[str] = []

    class Outer(Middleware):
        async def on_completed(self, job: CompletedJob) -> None:
            told.append(job.outcome)

    queue = make_queue(middleware=[Outer(), Unruly("on_completed", asyncio.CancelledError)])

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None: ...  # pyright: ignore[reportUnusedFunction]

    job_id = await queue.push(Work())
    await queue.processor(options(burst=True)).run()
    assert await status_of(queue, job_id) is JobStatus.COMPLETED
    assert told == ["succeeded"]


class Strategy:
    def __init__(self, where: str, answer: Any) -> None:
        self.where, self.answer = where, answer

    def should_retry(self, attempt: int, error: BaseException | None) -> bool:
        return self._answer() if self.where == "should_retry" else True

    def delay(self, attempt: int) -> timedelta:
        return self._answer() if self.where == "delay" else timedelta(0)

    def _answer(self) -> Any:
        if not callable(self.answer):
            return self.answer
        error: Any = self.answer()
        raise error


class NoTruth:
    def __bool__(self) -> bool:
        raise SystemExit


@pytest.mark.parametrize("middleware", [[], [Silent()]], ids=["bare", "with middleware"])
@pytest.mark.parametrize(
    ("where", "answer"),
    [(where, error) for where in ("should_retry", "delay") for error in ERRORS.values()]
    + [("should_retry", NoTruth()), ("delay", 5), ("delay", None)],
)
async def test_a_strategy_that_cannot_be_asked_fails_the_job(
    where: str, answer: Any, middleware: list[Middleware]
) -> None:
    queue = make_queue(middleware=middleware)

    @queue.job(Work, retry_strategy=Strategy(where, answer))
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        raise ValueError

    assert isinstance(await settle(queue), Fail)


class Mute(logging.Handler):
    """Cannot write anything, and says so in its own way."""

    def __init__(self, error: Callable[[], BaseException]) -> None:
        super().__init__()
        self.error = error

    def emit(self, record: logging.LogRecord) -> None:
        raise self.error()


@pytest.mark.parametrize("kind", [OSError, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("level", ["jobsvalkey", "root"])
async def test_a_log_that_cannot_be_written_changes_nothing(kind: type[BaseException], level: str) -> None:
    queue = make_queue(default_retry_strategy=NoRetry())
    logger = logging.getLogger("jobsvalkey.worker" if level == "jobsvalkey" else None)

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if parameters.number == 0:
            raise ValueError

    failing, whole = await queue.push_many([Work(0), Work(1)])
    mute = Mute(kind)
    logger.addHandler(mute)
    try:
        async with asyncio.timeout(10):
            await queue.processor(options(burst=True, num_workers=1)).run()
    finally:
        logger.removeHandler(mute)
    assert await status_of(queue, failing) is JobStatus.FAILED
    assert await status_of(queue, whole) is JobStatus.COMPLETED


def raised(error: BaseException) -> BaseException:
    def the_place_of_the_error() -> None:
        raise error

    try:
        the_place_of_the_error()
    except BaseException as caught:
        return caught
    raise AssertionError


LONG = "long " * 4_000


def noted() -> BaseException:
    error = ValueError("short")
    for _ in range(3_000):
        error.add_note("note")
    return error


@pytest.mark.parametrize(
    "error",
    [
        ValueError(LONG),
        ValueError(LONG.replace(" ", "\n")),
        KeyError(LONG),
        noted(),
        caused_by(ValueError(LONG)),
        caused_by(raised(ValueError(LONG))),
        BaseExceptionGroup("several", [raised(ValueError(LONG))]),
        BaseExceptionGroup(LONG, [raised(ValueError("short"))]),
        SyntaxError(LONG, ("file", 1, 1, LONG)),
        SyntaxError(LONG, (LONG, 1, 1, LONG, 1, 10_000)),
    ],
    ids=["message", "lines", "key", "notes", "cause", "raised cause", "in a group", "of a group", "syntax", "file"],
)
def test_a_long_message_does_not_push_out_the_place_of_the_error(error: BaseException) -> None:
    record = decode_error(encode_error(raised(error), 1))
    assert "the_place_of_the_error" in record.traceback
    assert any(line.lstrip(" |+-").startswith(type(error).__name__) for line in record.traceback.splitlines())
    assert len(record.traceback) <= MAX_TRACEBACK


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_has_a_record(name: str) -> None:
    record = decode_error(encode_error(raised(ERRORS[name]()), 2))
    assert record.type
    assert record.attempt == 2
    assert "the_place_of_the_error" in record.traceback
