"""What is compared: one class a library."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, ClassVar, Protocol

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

    def __init__(self, url: str) -> None: ...

    def open(self) -> AbstractAsyncContextManager[object]:
        """Connected, for pushes."""
        ...

    async def push(self, number: int) -> None:
        """Push one job."""

    async def push_all(self, numbers: Sequence[int]) -> None:
        """Push many jobs, in the fastest way there is."""

    def work(self, at_once: int) -> None:
        """Run a worker, of so many jobs at once, if it can, until the process is killed."""


class BlockingPeer(Peer):
    """One without asyncio. It connects with its first push."""

    def open(self) -> AbstractAsyncContextManager[object]:
        return nullcontext()

    async def push_all(self, numbers: Sequence[int]) -> None:
        """One by one, where there are no batches: threads would only contend for the interpreter."""
        for number in numbers:
            await self.push(number)


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
