"""dramatiq: blocking, threads."""

import threading

from tests.benchmarks.peers.peer import BlockingPeer, library
from tests.benchmarks.peers.task import blocking_no_op


class Dramatiq(BlockingPeer):
    """Its standard middleware, which stores no results. More threads fetch more ahead; the default is 8.

    It polls, ever more slowly while there is nothing to do.
    """

    name = "dramatiq"
    requirements = ("dramatiq[redis]==2.2.1", "hiredis==3.5.0")
    bulk = "one by one: it has no batches"
    worker = "worker_threads=N"
    command = "dramatiq"

    def __init__(self, url: str) -> None:
        self._library = library("dramatiq")
        self._broker = library("dramatiq.brokers.redis").RedisBroker(url=url)
        self._actor = self._library.actor(blocking_no_op, broker=self._broker)

    def send(self, number: int) -> None:
        self._actor.send(number)

    def work(self, at_once: int) -> None:
        self._library.Worker(self._broker, worker_threads=at_once).start()
        threading.Event().wait()
