"""An idle worker: how soon it starts a job, and what it costs the server."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from jobsvalkey.cli.benchmarks.store import NoOp, Store
from jobsvalkey.runtime import JobContext, JobQueue
from jobsvalkey.valkey import ValkeyJobQueue

SAMPLES = 50
REST = 0.01
"""Seconds between two pushes, in which the worker has settled and waits again."""
WATCH = 5.0
"""Seconds that an idle worker is watched."""
SETTLE = 1.0


async def latencies(store: Store) -> list[float]:
    """Seconds from the call of `push` to the start of the handler, each on an idle worker in the same process."""
    now, started = time.monotonic, asyncio.Queue[float]()

    async def note(_parameters: NoOp, _context: JobContext) -> None:
        started.put_nowait(now())

    found: list[float] = []
    async with store.queue() as queue:
        queue.register_job(NoOp, note)
        async with _running(queue):
            for number in range(SAMPLES + 1):
                await asyncio.sleep(REST)
                pushed_at = now()
                await queue.push(NoOp(number))
                found.append(await started.get() - pushed_at)
    return found[1:]  # the first one opened the connection


async def pings(store: Store) -> list[float]:
    """Seconds from a `PING` to its answer, each after a rest: what a round trip takes if both sides were asleep."""
    client, now = cast(Any, store.client), time.monotonic
    found: list[float] = []
    for _ in range(SAMPLES):
        await asyncio.sleep(REST)
        asked_at = now()
        await client.ping()
        found.append(now() - asked_at)
    return found


async def idle_cost(store: Store) -> tuple[float, float]:
    """Measure what an idle worker costs the server, per second: the commands that it sends, the writes of its scripts.

    Seen by MONITOR, which tells what a client sends from what a script does.
    """
    client = cast(Any, store.client)
    sent, written, names = 0, 0, Counter[str]()
    async with store.queue() as queue, _running(queue):
        key = queue.driver.configuration.queue_key
        await asyncio.sleep(SETTLE)
        async with client.monitor() as monitor:
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH):
                    async for entry in monitor.listen():
                        if key not in entry["command"]:
                            continue
                        if entry["client_type"] == "lua":
                            names[entry["command"].split()[0].lower()] += 1
                        else:
                            sent += 1
    flags = {name: found["flags"] for name, found in (await client.command()).items() if name in names}
    written = sum(number for name, number in names.items() if "write" in flags.get(name, ()))
    return sent / WATCH, written / WATCH


@asynccontextmanager
async def _running(queue: JobQueue[ValkeyJobQueue]) -> AsyncGenerator[None]:
    processor = queue.processor()
    async with asyncio.TaskGroup() as group:
        group.create_task(processor.run())
        try:
            yield
        finally:
            processor.stop()
