"""Rates: jobs, or round trips, per second. Another one is a function of this shape, and a line in `measures.py`."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, cast

from jobsvalkey.blocking import BlockingJobQueue
from jobsvalkey.cli.benchmarks.store import NoOp, Store
from jobsvalkey.cli.benchmarks.watch import Rate
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.contract import Finish, Retention, RetentionPolicy, Settlement, Unique
from jobsvalkey.runtime import Flow, JobContext, JobOptions, JobQueue, ProcessorOptions, Push
from jobsvalkey.valkey import ValkeyJobQueue

ONE_BY_ONE = 2_000
AT_ONCE = 3_000
MANY = 10_000
MANY_AT_ONCE = 1_000
WORKERS, FEW_WORKERS = 100, 16
LANES = 100
PAIRS = 500
"""Jobs of one flow, in pairs."""
THREADS = 8


async def bare_set(store: Store) -> Rate:
    """Round trips of the bare client: SET, one after the other."""
    client, key = cast(Any, store.client), f"jobsvalkey-bench-{secrets.token_hex(8)}"
    await client.set(key, b"")
    async with store.watch() as watch:
        for number in range(ONE_BY_ONE):
            await client.set(key, b"%d" % number)
    await client.unlink(key)
    return watch.rate(ONE_BY_ONE)


async def push_one_by_one(store: Store) -> Rate:
    """`push`, each awaited before the next."""
    async with store.queue() as queue:
        await queue.push(NoOp(-1))
        async with store.watch() as watch:
            for number in range(ONE_BY_ONE):
                await queue.push(NoOp(number))
    return watch.rate(ONE_BY_ONE)


async def push_at_once(store: Store) -> Rate:
    """`push`, by 3,000 tasks at the same time."""
    async with store.queue() as queue:
        await queue.push(NoOp(-1))
        async with store.watch() as watch:
            await asyncio.gather(*(queue.push(NoOp(number)) for number in range(AT_ONCE)))
    return watch.rate(AT_ONCE)


async def push_many(store: Store) -> Rate:
    """`push_many` with 1,000 jobs a call."""
    async with store.queue() as queue:
        await queue.push(NoOp(-1))
        async with store.watch() as watch:
            await fill_with_jobs(queue)
    return watch.rate(MANY)


async def bare_loop(store: Store) -> Rate:
    """Measure what a drain could do at best: the driver's exchange, and a task for each job that does nothing."""

    async def nothing() -> None:
        return

    async with store.queue() as queue:
        await fill_with_jobs(queue)
        driver, worker, sequence, done = queue.driver, secrets.token_hex(16), 0, 0
        settlements: list[Settlement] = []
        await driver.open_worker(worker, timedelta(seconds=45))
        async with store.watch() as watch:
            while done < MANY:
                sequence += 1
                claims = (await driver.exchange(worker, sequence, settlements, WORKERS)).claims
                await asyncio.gather(*[asyncio.create_task(nothing()) for _ in claims])
                settlements = [Finish(claim.job_id, claim.token) for claim in claims]
                done += len(claims)
            await driver.exchange(worker, sequence + 1, settlements)
        await driver.close_worker(worker)
    return watch.rate(MANY)


async def drain(store: Store) -> Rate:
    """A processor with 100 workers, from a full queue to an empty one."""
    return await _drain(store, WORKERS)


async def drain_of_few(store: Store) -> Rate:
    """The same with 16 workers."""
    return await _drain(store, FEW_WORKERS)


async def drain_with_results(store: Store) -> Rate:
    """The same with 100 workers, of jobs whose results are kept."""
    return await _drain(store, WORKERS, lambda number: JobOptions(keep_for=timedelta(minutes=5)))


async def drain_of_lanes(store: Store) -> Rate:
    """The same with 100 workers, of jobs in 100 lanes."""
    return await _drain(store, WORKERS, lambda number: JobOptions(lane=f"customer:{number % LANES}"))


async def drain_of_unique(store: Store) -> Rate:
    """The same with 100 workers, of jobs that each hold a name."""
    return await _drain(store, WORKERS, lambda number: JobOptions(unique=Unique(f"customer:{number}")))


async def drain_of_retained(store: Store) -> Rate:
    """The same with 100 workers, of jobs that all stay after their end."""
    return await _drain(store, WORKERS, retention_policy=RetentionPolicy(completed_jobs=Retention()))


async def drain_of_pairs(store: Store) -> Rate:
    """The same with 100 workers, of pairs of jobs, the second after the first."""
    return await _drain(store, WORKERS, fill=_fill_with_pairs)


async def _drain(
    store: Store,
    workers: int,
    options: Callable[[int], JobOptions] | None = None,
    retention_policy: RetentionPolicy | None = None,
    fill: Callable[[JobQueue[ValkeyJobQueue]], Awaitable[None]] | None = None,
) -> Rate:
    done: list[int] = []

    async def note(parameters: NoOp, _context: JobContext) -> int | None:
        done.append(parameters.number)
        return parameters.number if options else None

    async with store.queue(retention_policy) as queue:
        queue.register_job(NoOp, note)
        await (fill(queue) if fill else fill_with_jobs(queue, options))
        async with store.watch() as watch:
            await queue.processor(ProcessorOptions(num_workers=workers, burst=True)).run()
    if sorted(done) != list(range(MANY)):
        raise CommandFailed(f"{len(done):,} jobs ran of {MANY:,}: these numbers would say nothing")
    return watch.rate(MANY)


async def push_from_thread(store: Store) -> Rate:
    """`push` of a `BlockingJobQueue`, by one thread."""
    return await _push_from_threads(store, 1)


async def push_from_threads(store: Store) -> Rate:
    """The same by eight threads, one by one in each."""
    return await _push_from_threads(store, THREADS)


async def _push_from_threads(store: Store, threads: int) -> Rate:
    run_in = asyncio.get_running_loop().run_in_executor
    with ThreadPoolExecutor(threads) as pool:
        async with store.queue() as queue:
            blocking = BlockingJobQueue.from_url(store.url, queue_key=queue.driver.configuration.queue_key)

            def push(first: int) -> None:
                for number in range(first, ONE_BY_ONE, threads):
                    blocking.push(NoOp(number))

            try:
                await run_in(pool, blocking.push, NoOp(-1))
                async with store.watch() as watch:
                    await asyncio.gather(*(run_in(pool, push, first) for first in range(threads)))
            finally:
                await run_in(pool, blocking.close)
    return watch.rate(ONE_BY_ONE)


async def _fill_with_pairs(queue: JobQueue[ValkeyJobQueue]) -> None:
    for start in range(0, MANY, PAIRS):
        flow = Flow()
        for number in range(start, min(start + PAIRS, MANY), 2):
            first = flow.add(NoOp(number))
            flow.add(NoOp(number + 1), after=[first])
        await queue.push_flow(flow)


async def fill_with_jobs(queue: JobQueue[ValkeyJobQueue], options: Callable[[int], JobOptions] | None = None) -> None:
    """Push the jobs that a measure runs."""
    for start in range(0, MANY, MANY_AT_ONCE):
        numbers = range(start, start + MANY_AT_ONCE)
        await queue.push_many(
            [Push(NoOp(number), options=options(number)) if options else NoOp(number) for number in numbers]
        )
