"""Pushes of one event loop share round trips: what comes while one is under way goes with the next."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

from jobsvalkey.contract import DriverConfiguration, NewJob
from jobsvalkey.valkey.line import Argument
from jobsvalkey.valkey.producer import Producer
from jobsvalkey.valkey.scripting import PUSH
from jobsvalkey.valkey.tasks import TaskSet
from jobsvalkey.valkey.wire import due_argument


def push_arguments(items: Iterable[NewJob]) -> list[Argument]:
    """Jobs, two words each, as `push` takes them: an id, with what is special about the job, and the request."""
    arguments: list[Argument] = []
    for item in items:
        if item.due is None and not item.remember:
            arguments += (str(item.job_id), item.request)
        else:
            own = "!" if item.remember else " "
            arguments += (f"{item.job_id}{own}{due_argument(item.due)}", item.request)
    return arguments


def _flags(answer: bytes) -> list[bool]:
    return [flag == ord("1") for flag in answer]


class _Waiting:
    __slots__ = ("context", "done", "items", "size")

    def __init__(self, items: Sequence[NewJob], size: int, context: Sequence[Argument]) -> None:
        self.items = items
        self.size = size
        self.context = context
        self.done: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()


class Pusher:
    """Gathers pushes into steps of at most the size of one atomic push; no push is divided."""

    def __init__(self, producer: Producer, tasks: TaskSet, configuration: DriverConfiguration) -> None:
        self._producer = producer
        self._tasks = tasks
        self._most_jobs = configuration.max_atomic_push
        self._most_bytes = configuration.max_atomic_push_bytes
        self._queue: deque[_Waiting] = deque()
        self._running = False

    async def push(self, items: Sequence[NewJob], size: int, context: Sequence[Argument]) -> list[bool]:
        """Store `items`, of `size` bytes, together with what else is pushed now.

        A caller that is cancelled leaves the others' round trip alone; what it pushed may or may not be stored.
        """
        if not self._running:
            return await self._push_alone(items, context)
        waiting = _Waiting(items, size, context)
        self._queue.append(waiting)
        return await waiting.done

    async def _push_alone(self, items: Sequence[NewJob], context: Sequence[Argument]) -> list[bool]:
        """Nothing is under way: go at once, in the caller's own task; what comes meanwhile goes next, in ours."""
        self._running = True
        try:
            return _flags(await self._producer.run(PUSH, context, push_arguments(items)))
        finally:
            self._running = False
            if self._queue:
                self._running = True
                self._tasks.start(self._run())

    async def _run(self) -> None:
        try:
            while self._queue:
                batch = self._next_batch()
                try:
                    await self._send(batch)
                except Exception as error:
                    for waiting in batch:
                        if not waiting.done.done():
                            waiting.done.set_exception(error)
                finally:
                    for waiting in batch:
                        waiting.done.cancel()
        finally:
            self._running = False
            for waiting in self._queue:
                waiting.done.cancel()
            self._queue.clear()

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        jobs = size = 0
        while self._queue:
            first = self._queue[0]
            jobs, size = jobs + len(first.items), size + first.size
            if batch and (jobs > self._most_jobs or size > self._most_bytes):
                break
            batch.append(self._queue.popleft())
        return batch

    async def _send(self, batch: list[_Waiting]) -> None:
        arguments: list[Argument] = []
        for waiting in batch:
            arguments += push_arguments(waiting.items)
        answer = await self._producer.run(PUSH, batch[0].context, arguments)
        at = 0
        for waiting in batch:
            end = at + len(waiting.items)
            if not waiting.done.done():
                waiting.done.set_result(_flags(answer[at:end]))
            at = end
