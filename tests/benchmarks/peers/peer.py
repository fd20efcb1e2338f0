"""What is compared: one class a library."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Any, ClassVar, Protocol

UVLOOP_RELEASE = "uvloop==0.23.0"
"""In the environments of those that run in an event loop."""
CONNECTIONS = 32
"""Pushes at the same time, where a library neither takes a batch nor limits its own connections."""


class Peer(Protocol):
    """A queue, set up as its documentation says for throughput. Its docstring says what was set.

    An instance lives in a process of its own, as a producer or as a worker.
    """

    name: ClassVar[str]
    requirements: ClassVar[Sequence[str]]
    """What its environment holds, the library first. Ours is the one that compares."""
    bulk: ClassVar[str]
    """How it pushes many jobs, for the table."""
    worker: ClassVar[str]
    """How its worker is set for N jobs at once, for the table."""
    command: ClassVar[str]
    """Its command line."""
    threads: ClassVar[bool] = False
    """Whether threads can push."""
    is_async: ClassVar[bool] = True
    """Whether it runs in an event loop, which may be another one than Python's own."""
    quick: ClassVar[int] = 1
    """How many times as many jobs are pushed in bulk, and drained: what is over in no time cannot be measured."""

    def __init__(self, url: str) -> None: ...

    def open(self) -> AbstractAsyncContextManager[object]:
        """Connected, for pushes."""
        ...

    async def push(self, number: int) -> None:
        """Push one job."""

    async def push_all(self, numbers: Sequence[int]) -> None:
        """Push many jobs, in the fastest way there is."""

    def blocking(self) -> AbstractContextManager[Callable[[int], object]]:
        """Connected, for the pushes of threads: what pushes one job."""
        ...

    def work(self, at_once: int) -> None:
        """Run a worker, of so many jobs at once, if it can, until the process is killed."""


class BlockingPeer(Peer):
    """One without asyncio. It connects with its first push."""

    threads = True
    is_async = False

    def open(self) -> AbstractAsyncContextManager[object]:
        return nullcontext()

    def blocking(self) -> AbstractContextManager[Callable[[int], object]]:
        return nullcontext(self.send)

    def send(self, number: int) -> None:
        """Push one job."""

    async def push(self, number: int) -> None:
        self.send(number)

    async def push_all(self, numbers: Sequence[int]) -> None:
        """One by one, where there are no batches: threads would only contend for the interpreter."""
        for number in numbers:
            self.send(number)


def library(name: str) -> Any:
    """A module of a peer. It has no types here: checking types must not need all peers installed."""
    return importlib.import_module(name)


async def at_once(push: Callable[[int], Awaitable[object]], numbers: Sequence[int]) -> None:
    """Many pushes at the same time, on a bounded number of connections."""
    free = asyncio.Semaphore(CONNECTIONS)

    async def one(number: int) -> None:
        async with free:
            await push(number)

    await asyncio.gather(*(one(number) for number in numbers))
