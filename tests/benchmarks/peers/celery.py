"""Celery: blocking, a list."""

from tests.benchmarks.peers.peer import BlockingPeer, library
from tests.benchmarks.peers.task import blocking_no_op


class Celery(BlockingPeer):
    """As its guide to optimizing says for short tasks: no results, 128 jobs fetched ahead, no rate limits.

    Late acknowledgement, so that a job outlives its worker, as with the others; jobs run in the worker's process.
    """

    name = "Celery"
    requirements = ("celery[redis]==5.6.3", "hiredis==3.5.0")
    bulk = "delay, one by one: it has no batches"
    worker = "pool=solo (one at a time), task_acks_late, worker_prefetch_multiplier=128"
    command = "celery"

    def __init__(self, url: str) -> None:
        self._app = library("celery").Celery("peer", broker=url)
        self._app.conf.update(
            task_ignore_result=True,
            task_acks_late=True,
            worker_prefetch_multiplier=128,
            worker_disable_rate_limits=True,
        )
        self._task = self._app.task(blocking_no_op, name="no_op")

    def send(self, number: int) -> None:
        self._task.delay(number)

    def work(self, at_once: int) -> None:
        self._app.Worker(pool="solo", loglevel="WARNING").start()
