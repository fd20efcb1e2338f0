"""Rates: jobs, or round trips, per second. A peer is one more function of this shape, and a line in `measures.py`."""

import asyncio
import secrets
from datetime import timedelta
from typing import Any, Self, cast

from jobsvalkey.cli.benchmarks.store import NoOp, Store
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.contract import Finish, Settlement
from jobsvalkey.runtime import JobContext, JobQueue, ProcessorOptions
from jobsvalkey.valkey import ValkeyJobQueue

ONE_BY_ONE = 2_000
AT_ONCE = 3_000
MANY = 10_000
MANY_AT_ONCE = 1_000
WORKERS = 100


async def bare_set(store: Store) -> float:
    """Round trips of the bare client: SET, one after the other."""
    client, key = cast(Any, store.client), f"jobsvalkey-bench-{secrets.token_hex(8)}"
    await client.set(key, b"")
    with _Stopwatch() as watch:
        for number in range(ONE_BY_ONE):
            await client.set(key, b"%d" % number)
    await client.unlink(key)
    return ONE_BY_ONE / watch.seconds


async def push_one_by_one(store: Store) -> float:
    """`push`, each awaited before the next."""
    async with store.queue() as queue:
        await queue.push(NoOp(-1))
        with _Stopwatch() as watch:
            for number in range(ONE_BY_ONE):
                await queue.push(NoOp(number))
    return ONE_BY_ONE / watch.seconds


async def push_at_once(store: Store) -> float:
    """`push`, by 3,000 tasks at the same time."""
    async with store.queue() as queue:
        await queue.push(NoOp(-1))
        with _Stopwatch() as watch:
            await asyncio.gather(*(queue.push(NoOp(number)) for number in range(AT_ONCE)))
    return AT_ONCE / watch.seconds


async def push_many(store: Store) -> float:
    """`push_many` with 1,000 jobs a call."""
    async with store.queue() as queue:
        await queue.push(NoOp(-1))
        with _Stopwatch() as watch:
            await _fill(queue)
    return MANY / watch.seconds


async def bare_loop(store: Store) -> float:
    """Measure what a drain could do at best: the driver's exchange, and a task for each job that does nothing."""

    async def nothing() -> None:
        return

    async with store.queue() as queue:
        await _fill(queue)
        driver, worker, sequence, done = queue.driver, secrets.token_hex(16), 0, 0
        settlements: list[Settlement] = []
        await driver.open_worker(worker, timedelta(seconds=45))
        with _Stopwatch() as watch:
            while done < MANY:
                sequence += 1
                claims = (await driver.exchange(worker, sequence, settlements, WORKERS)).claims
                await asyncio.gather(*[asyncio.create_task(nothing()) for _ in claims])
                settlements = [Finish(claim.job_id, claim.token) for claim in claims]
                done += len(claims)
            await driver.exchange(worker, sequence + 1, settlements)
        await driver.close_worker(worker)
    return MANY / watch.seconds


async def drain(store: Store) -> float:
    """A processor with 100 workers, from a full queue to an empty one."""
    done: list[int] = []

    async def nothing(parameters: NoOp, _context: JobContext) -> None:
        done.append(parameters.number)

    async with store.queue() as queue:
        queue.register_job(NoOp, nothing)
        await _fill(queue)
        with _Stopwatch() as watch:
            await queue.processor(ProcessorOptions(num_workers=WORKERS, burst=True)).run()
    if sorted(done) != list(range(MANY)):
        raise CommandFailed(f"{len(done):,} jobs ran of {MANY:,}: these numbers would say nothing")
    return MANY / watch.seconds


async def _fill(queue: JobQueue[ValkeyJobQueue]) -> None:
    for start in range(0, MANY, MANY_AT_ONCE):
        await queue.push_many([NoOp(number) for number in range(start, start + MANY_AT_ONCE)])


class _Stopwatch:
    def __enter__(self) -> Self:
        self._now = asyncio.get_running_loop().time
        self._started = self._now()
        return self

    def __exit__(self, *_error: object) -> None:
        self.seconds = self._now() - self._started
