"""What tests of the blocking queue share."""

import asyncio
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

import psutil
from valkey import Valkey

from jobsvalkey import BlockingJobQueue, Middleware, PushedJob
from jobsvalkey.blocking import process
from tests.support.waiting import PATIENCE

Jobs: TypeAlias = BlockingJobQueue[Any]


def key() -> str:
    """The queue of the program that runs."""
    return sys.argv[3]


class Gate(Middleware):
    """Lets a push pass when it is open; tells when one has come."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.opened = threading.Event()

    async def on_push(self, job: PushedJob) -> None:
        self.came.set()
        while not self.opened.is_set():  # noqa: ASYNC110 - another thread opens it
            await asyncio.sleep(0.002)


def named(url: str, name: str) -> str:
    """The URL, for connections of that name."""
    return f"{url}{'&' if '?' in url else '?'}client_name={name}"


@contextmanager
def looking_at(url: str) -> Generator[Any]:
    """A client, for a look at the server; it has no name."""
    client = cast(Any, Valkey).from_url(re.sub("[?&]client_name=[^&]*", "", url))
    try:
        yield client
    finally:
        client.close()


def connections(client: Any, name: str) -> int:
    """How many connections of that name the server has."""
    return sum(each["name"] == name for each in client.client_list())


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def in_threads(number: int, work: Callable[[int], object]) -> None:
    """Run `work` in so many threads at once, and wait for all of them."""
    threads = [threading.Thread(target=work, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def left_behind() -> list[object]:
    """Threads, loops and sockets of blocking queues in this process: none, if all of them are closed."""
    threads: list[object] = [each for each in threading.enumerate() if each.name == "jobsvalkey"]
    sockets: list[object] = list(psutil.Process(os.getpid()).net_connections("all"))
    loop = process.running_loop()
    return [*threads, *sockets, *([loop] if loop is not None else [])]
