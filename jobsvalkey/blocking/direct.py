"""A queue whose pushes the calling thread does itself, without the background loop, if it can."""

from typing import Any

from jobsvalkey.contract import Pushed
from jobsvalkey.runtime import JobOptions, JobQueue
from jobsvalkey.runtime.producer import check_refusal
from jobsvalkey.valkey import ValkeyJobQueue
from jobsvalkey.valkey.direct import Home


class DirectQueue:
    """Pushes to a queue that was made in the background loop. It makes no coroutine, which an interrupt could leave."""

    def __init__(self, queue: JobQueue[Any], driver: ValkeyJobQueue, home: Home) -> None:
        self._queue = queue
        self._driver = driver
        self._direct = driver.direct_pushes()
        self._home = home

    @property
    def descriptor(self) -> int:
        """Of the socket that threads use; -1 if there is none."""
        return self._direct.descriptor

    @property
    def is_closed(self) -> bool:
        """Whether the driver was closed, maybe by another queue that has it: then another one has to be made."""
        return self._direct.is_closed

    def push(self, job: Any, parameters: tuple[Any, ...], options: JobOptions) -> Pushed:
        """Do what `push_unless_held` of the queue does."""
        item = self._queue.item(job, parameters, options)
        (done,) = self._driver.push_directly(self._direct, (item,), self._home)
        check_refusal(done)
        return done


def direct_queue(queue: JobQueue[Any], home: Home) -> DirectQueue | None:
    """Make one of a queue, in the loop; `None` if a push has to be made there."""
    driver: Any = queue.driver
    # Those of another class may do more.
    is_ours = type(queue) is JobQueue and type(driver) is ValkeyJobQueue
    return DirectQueue(queue, driver, home) if is_ours and not queue.tells_of_pushes else None
