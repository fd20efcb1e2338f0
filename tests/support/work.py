"""A job that most tests push, and handlers of it."""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

from jobsvalkey import JobContext, JobQueue


@dataclass(frozen=True)
class Work:
    job_name: ClassVar[str] = "Work"
    number: int = 0


def counting(queue: JobQueue[Any], seconds: float = 0.0) -> list[int]:
    """Register a handler that notes the numbers of its jobs, and takes so long."""
    ran: list[int] = []

    async def handler(parameters: Work, context: JobContext) -> None:
        ran.append(parameters.number)
        await asyncio.sleep(seconds)

    queue.register_job(Work, handler)
    return ran


def raising(queue: JobQueue[Any], error: BaseException, **options: Any) -> None:
    """Register a handler that raises `error`."""

    async def handler(parameters: Work, context: JobContext) -> None:
        raise error

    queue.register_job(Work, handler, **options)


class Handler:
    """Runs until it is let go; number 1 does not listen to its cancellation."""

    def __init__(self, queue: JobQueue[Any]) -> None:
        self.go_on = asyncio.Event()
        self.running: list[int] = []
        self.cancelled: list[int] = []
        self.ended: list[int] = []
        queue.register_job(Work, self.run)

    async def run(self, parameters: Work, context: JobContext) -> None:
        self.running.append(parameters.number)
        while not self.go_on.is_set():
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled.append(parameters.number)
                if parameters.number != 1:
                    raise
        self.ended.append(parameters.number)
