"""huey: blocking, a list, threads."""

from tests.benchmarks.peers.peer import BlockingPeer, library
from tests.benchmarks.peers.task import blocking_no_op


class Huey(BlockingPeer):
    """No results (`results=False`), no periodic tasks. A job is popped: one that a dead worker had is lost."""

    name = "huey"
    requirements = ("huey==3.5.4", "redis==8.1.0", "hiredis==3.5.0")
    bulk = "one by one: it has no batches"
    worker = "workers=N (threads), periodic=False"
    command = "huey_consumer"

    def __init__(self, url: str) -> None:
        self._huey = library("huey").RedisHuey(url=url, results=False)
        self._task = self._huey.task()(blocking_no_op)

    def send(self, number: int) -> None:
        self._task(number)

    def work(self, at_once: int) -> None:
        self._huey.create_consumer(workers=at_once, periodic=False).run()
