"""dramatiq: blocking, threads."""

import threading

from tests.benchmarks.peers.peer import BlockingPeer, library
from tests.benchmarks.peers.task import blocking_no_op


class Dramatiq(BlockingPeer):
    """Its standard middleware, which stores no results. More threads than the default of 8, and so more fetched ahead.

    It polls, ever more slowly while there is nothing to do.
    """

    name = "dramatiq"
    distributions = ("dramatiq", "redis")
    bulk = "one by one: it has no batches"
    worker = "worker_threads=32"

    def __init__(self, url: str) -> None:
        self._library = library("dramatiq")
        self._broker = library("dramatiq.brokers.redis").RedisBroker(url=url)
        self._actor = self._library.actor(blocking_no_op, broker=self._broker)

    async def push(self, number: int) -> None:
        self._actor.send(number)

    def work(self) -> None:
        self._library.Worker(self._broker, worker_threads=32).start()
        threading.Event().wait()
