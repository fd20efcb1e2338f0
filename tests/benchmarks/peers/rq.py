"""RQ: blocking, a list; one job after the other."""

from collections.abc import Sequence

from tests.benchmarks.peers.peer import BlockingPeer, library
from tests.benchmarks.peers.task import blocking_no_op

BATCH = 1_000


class Rq(BlockingPeer):
    """The worker that does not fork for each job; finished jobs are not kept (`result_ttl=0`)."""

    name = "RQ"
    requirements = ("rq==3.0.0", "hiredis==3.5.0")
    bulk = f"enqueue_many, {BATCH:,} a call"
    worker = "SimpleWorker (one at a time), result_ttl=0"
    command = "rq"

    def __init__(self, url: str) -> None:
        self._library = library("rq")
        self._connection = library("redis").Redis.from_url(url)
        self._queue = self._library.Queue(connection=self._connection)

    def send(self, number: int) -> None:
        self._queue.enqueue(blocking_no_op, number, result_ttl=0)

    async def push_all(self, numbers: Sequence[int]) -> None:
        for start in range(0, len(numbers), BATCH):
            self._queue.enqueue_many(
                self._queue.prepare_data(blocking_no_op, args=(number,), result_ttl=0)
                for number in numbers[start : start + BATCH]
            )

    def work(self, at_once: int) -> None:
        worker = self._library.SimpleWorker([self._queue], connection=self._connection)
        worker.work(logging_level="WARNING")
