"""The roles of the processes that put a queue under load: to push jobs, and to run them."""

import asyncio
import random
import signal
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Literal

from jobsvalkey import (
    ActiveLock,
    Durability,
    ExponentialJitter,
    JobContext,
    JobOptions,
    JobQueue,
    JobsError,
    ProcessorOptions,
    ValkeyConfiguration,
    new_job_id,
)
from jobsvalkey.valkey.clients import client_from_url
from tests.chaos.log import Log
from tests.chaos.recording import RecordingQueue
from tests.support.retention import KEEP_ALL

PUSHES_AT_ONCE = 4
PAUSE = 0.04
"""Seconds between two pushes of one task, at most."""
LOCK = ActiveLock(every=timedelta(seconds=0.5), hold_for=timedelta(seconds=2))
AGAIN = ExponentialJitter(max_attempts=100, max_backoff=timedelta(seconds=0.1))


@dataclass(frozen=True)
class Task:
    """A job that takes a time, and fails so many times before it is done."""

    job_name: ClassVar[str] = "Task"
    seconds: float = 0.0
    fails: int = 0


@dataclass(frozen=True, kw_only=True)
class Role:
    """The orders of one process."""

    role: Literal["pusher", "worker"]
    name: str
    url: str
    queue_key: str
    log: Path
    seed: int
    durable: bool = False
    """Whether each push, and each step of a worker, waits for a replica."""


class TryAgain(Exception):
    """The error of an attempt that is to fail."""


async def play(role: Role) -> None:
    """Do what the role says until SIGTERM."""
    log = Log(role.log)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    demand = Durability(replicas=1, timeout=timedelta(seconds=1)) if role.durable else None
    configuration = ValkeyConfiguration(
        queue_key=role.queue_key,
        retention_policy=KEEP_ALL,
        poll_time=timedelta(seconds=0.1),
        durability=demand,
        exchange_durability=demand,
    )
    async with RecordingQueue(client_from_url(role.url), configuration, log, role.name) as driver:
        queue = JobQueue(driver)
        log.write("ready")
        await (_push(queue, role, stop) if role.role == "pusher" else _work(queue, log, stop))
    log.write("left")


async def _push(queue: JobQueue[RecordingQueue], role: Role, stop: asyncio.Event) -> None:
    queue.register_job(Task, lambda parameters, context: None)
    async with asyncio.TaskGroup() as group:
        for number in range(PUSHES_AT_ONCE):
            group.create_task(_push_one_by_one(queue, random.Random(f"{role.seed} {role.name} {number}"), stop))


async def _push_one_by_one(queue: JobQueue[RecordingQueue], chance: random.Random, stop: asyncio.Event) -> None:
    while not stop.is_set():
        task, delay = Task(), timedelta()
        match chance.randrange(10):
            case 0:
                delay = timedelta(seconds=chance.uniform(0, 0.5))
            case 1:
                task = Task(fails=1)
            case 2:
                task = Task(seconds=chance.uniform(0.1, 0.5))
            case _:
                pass
        options = JobOptions(job_id=new_job_id(), delay=delay or None)
        while not stop.is_set():
            try:
                await queue.push(task, options=options)
                break
            except JobsError:
                # Whatever is known of it: it is pushed again under its id until it is acknowledged.
                await asyncio.sleep(0.01)
        await asyncio.sleep(chance.uniform(0, PAUSE))


async def _work(queue: JobQueue[RecordingQueue], log: Log, stop: asyncio.Event) -> None:
    @queue.job(Task, retry_strategy=AGAIN)
    async def handle(task: Task, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        log.write("started", value=context.job_id)
        await asyncio.sleep(task.seconds)
        if context.attempt <= task.fails:
            raise TryAgain
        log.write("ran", value=context.job_id)

    processor = queue.processor(ProcessorOptions(num_workers=8, worker_active_lock=LOCK, max_recoveries=None))

    async def stop_it() -> None:
        await stop.wait()
        processor.stop()

    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(stop_it())
        await processor.run()
        stopping.cancel()
