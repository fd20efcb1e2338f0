"""Drivers beside each other on one store: in threads, each with an event loop of its own, if the store allows it."""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import FrameType
from typing import Any, TypeVar

from jobsvalkey.contract import ConfigurationError
from jobsvalkey_conformance.context import SuiteContext
from jobsvalkey_conformance.harness import AnyDriver
from jobsvalkey_conformance.marks import ONE_LOOP, not_run

T = TypeVar("T")
THREADS = 4
Part = Callable[[AnyDriver, int], Coroutine[Any, Any, T]]
"""The work of a thread with its driver, and with its number."""


async def beside(kit: SuiteContext, part: Part[T], count: int, **changes: Any) -> list[T]:
    """Return the result of each part; those of a store that belongs to one event loop are tasks of that.

    A part that goes on until another has ended lets others go on after each step: `await asyncio.sleep(0)`.
    """
    if kit.harness.several_loops:
        return await in_threads(kit, part, count, **changes)
    drivers = [await kit.driver(**changes) for _ in range(count)]
    return await asyncio.gather(*(part(driver, number) for number, driver in enumerate(drivers)))


async def in_threads(kit: SuiteContext, part: Part[T], count: int = THREADS, **changes: Any) -> list[T]:
    """Return the result of each of some threads, which all have a driver and an event loop of their own."""
    began = threading.Barrier(count)

    async def with_driver(thread: int) -> T:
        async with kit.make(replace(kit.configuration, **changes)) as driver:
            began.wait(30)
            return await part(driver, thread)

    # A number of threads of its own: those of the loop may be fewer, and one that waits for another would hang.
    results: list[asyncio.Future[T]] = []
    loop = asyncio.get_running_loop()
    for number in range(count):
        result: asyncio.Future[T] = loop.create_future()
        results.append(result)
        threading.Thread(target=_run, args=(loop, result, with_driver(number)), daemon=True).start()
    # Threads take turns after each few lines, in place of two hundred times a second: steps are so short.
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        return await asyncio.gather(*results)
    except ConfigurationError as error:
        if "event loop" not in str(error):
            raise
        not_run(ONE_LOOP)  # as the driver itself says
    finally:
        sys.setswitchinterval(usual)


class Encounter:
    """Lets a step of one of two threads stop at a line of its driver until a step of the other is done.

    Round by round it is another line, of the one or the other: luck would hardly ever choose one between two
    transactions that is reached in a microsecond. If the other has to wait for what the first one holds, that goes
    on after a while.
    """

    def __init__(self) -> None:
        self.answers: list[Any] = [None, None]
        """The answers to the steps of this round."""
        self._together = threading.Barrier(2)
        self._go, self._ended = threading.Event(), threading.Event()
        self._stops, self._line = 1, -1
        """Which thread stops in this round, and at which of its lines, if at any."""
        self._lines: list[list[tuple[str, int]]] = [[], []]
        """The lines that the step of each thread has, in the order in which they are reached."""
        self._longest = 0.0

    def __str__(self) -> str:
        place = self._lines[self._stops][self._line :][:1]
        return f"the {('first', 'second')[self._stops]} step stopped at {place}"

    async def rounds(self, thread: int, most: int) -> AsyncGenerator[None]:
        """Yield for each round, first one without a stop for each thread, then for up to `most` lines of each."""
        turns: list[tuple[int, int]] = [(0, -1), (1, -1)]
        try:
            for number in range(2 * most + 2):
                if number == 2:
                    turns += self._chosen(most)
                if number >= len(turns):
                    return
                if thread == 0:
                    self._stops, self._line = turns[number]
                    self._go.clear()
                    self._ended.clear()
                yield
                self._together.wait(30)
        except threading.BrokenBarrierError:
            pass  # the other thread has failed, and says why
        finally:
            self._together.abort()

    def _chosen(self, most: int) -> list[tuple[int, int]]:
        chosen: list[tuple[int, int]] = []
        for thread, lines in enumerate(self._lines):
            step = max(1.0, len(lines) / most)
            chosen += [(thread, int(number * step)) for number in range(min(most, len(lines)))]
        return chosen

    async def meet(self, thread: int, driver: AnyDriver, step: Callable[[], Awaitable[Any]]) -> None:
        """Take the step of a thread in this round; the answers of both are there when it returns."""
        self._together.wait(30)  # this thread has nothing else to do
        if thread == self._stops:
            with _watching(driver, self._reached):
                self.answers[thread] = await step()
            self._go.set()
            self._ended.wait(30)
        else:
            self._go.wait(30)
            began = time.monotonic()
            self.answers[thread] = await step()
            if self._line < 0:
                self._longest = max(self._longest, time.monotonic() - began)
            self._ended.set()
        self._together.wait(30)

    def _reached(self, line: tuple[str, int]) -> None:
        lines = self._lines[self._stops]
        if self._line < 0:
            if line not in lines:
                lines.append(line)
        elif line == lines[self._line] and not self._go.is_set():
            self._go.set()
            self._ended.wait(0.003 + 5 * self._longest)


@contextmanager
def _watching(driver: AnyDriver, reached: Callable[[tuple[str, int]], None]) -> Generator[None]:
    """Tell of each line of the driver's own package that this thread comes to."""
    packages = {cls.__module__.rpartition(".")[0] or cls.__module__ for cls in type(driver).__mro__}
    packages -= {"builtins", "typing", "jobsvalkey.contract"}

    def is_its_own(name: str) -> bool:
        return name in packages or name.rpartition(".")[0] in packages

    def local(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            reached((frame.f_code.co_filename, frame.f_lineno))
        return local

    def trace(frame: FrameType, _: str, __: Any) -> Any:
        return local if is_its_own(frame.f_globals.get("__name__", "")) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def _run(loop: asyncio.AbstractEventLoop, result: "asyncio.Future[T]", part: Coroutine[Any, Any, T]) -> None:
    def tell(set_it: Callable[[Any], None], what: object) -> None:
        with suppress(RuntimeError):  # another thread has failed, and with it the test: its loop is closed
            loop.call_soon_threadsafe(lambda: None if result.done() else set_it(what))

    try:
        tell(result.set_result, asyncio.run(part))
    except BaseException as error:
        tell(result.set_exception, error)
