"""One version of the library, which does what `versions` asks of it: a word a line in, a line of JSON out.

It uses what all versions have, and nothing of the tests, so that it runs on another checkout.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from valkey.asyncio import Valkey

import jobsvalkey
from jobsvalkey import JobName, JobQueue, ProcessorOptions, ValkeyConfiguration, ValkeyJobQueue

LONE, MANY, AT_ONCE = 1000, 5000, 1000
"""Lone pushes, and jobs that are pushed in steps of so many, of one measure."""
LANES = 100
WORK = JobName("Work", dict[str, int])


async def _nothing(_parameters: Any, _context: Any) -> None:
    pass


async def _server(client: Any) -> dict[str, float]:
    """Processor time, commands (those of scripts included) and bytes of a server that nobody else uses."""
    everything = await client.info("everything")
    commands = await client.info("commandstats")
    return {
        "server_us": 1e6 * (everything["used_cpu_user"] + everything["used_cpu_sys"]),
        "commands": sum(one["calls"] for one in commands.values()),
        "bytes_in": everything["total_net_input_bytes"],
        "bytes_out": everything["total_net_output_bytes"],
    }


class Measures:
    """The measures, by name; each gives how many jobs it was."""

    def __init__(self, queue: JobQueue[Any]) -> None:
        self._queue = queue

    async def lone_push(self) -> int:
        for number in range(LONE):
            await self._queue.push(WORK, {"number": number})
        return LONE

    async def push_many(self) -> int:
        for _ in range(MANY // AT_ONCE):
            await self._queue.push_many([WORK.with_parameters({"number": number}) for number in range(AT_ONCE)])
        return MANY

    async def push_lanes(self) -> None:
        """Push as many jobs to some lanes, which take turns."""
        from jobsvalkey import JobOptions, Push  # the other version may have none

        for _ in range(MANY // AT_ONCE):
            await self._queue.push_many(
                [
                    Push(WORK.with_parameters({"number": number}), JobOptions(lane=f"customer:{number % LANES}"))
                    for number in range(AT_ONCE)
                ]
            )

    async def push_limited_lanes(self) -> None:
        """The same, and each lane may have one job at once: all are full as soon as the worker is."""
        from jobsvalkey import LaneLimit

        await self._queue.set_lane_limit("customer:*", LaneLimit(concurrency=1))
        await self.push_lanes()

    async def drain_16(self) -> int:
        return await self._drain(16)

    async def drain_100(self) -> int:
        return await self._drain(100)

    async def _drain(self, workers: int) -> int:
        await self._queue.processor(ProcessorOptions(num_workers=workers, burst=True)).run()
        return MANY


async def main(url: str, queue_key: str) -> None:
    """Do what is asked until there is nothing more."""
    print(json.dumps({"from": jobsvalkey.__file__}), flush=True)  # noqa: T201 - for `versions`
    clients: list[Any] = [Valkey.from_url(url), Valkey.from_url(url)]
    async with ValkeyJobQueue(clients[0], ValkeyConfiguration(queue_key=queue_key)) as driver:
        queue = JobQueue(driver)
        queue.register_job(WORK, _nothing)
        measures = Measures(queue)
        while word := (await asyncio.to_thread(sys.stdin.readline)).strip():
            first, _, then = word.rpartition("+")  # `push_lanes+drain_100` measures the drain
            if first:
                await getattr(measures, first)()
            before, cpu, clock = await _server(clients[1]), time.process_time(), time.perf_counter()
            measure: Callable[[], Awaitable[int]] = getattr(measures, then)
            jobs = await measure()
            passed, spent, after = time.perf_counter() - clock, time.process_time() - cpu, await _server(clients[1])
            found = {name: (after[name] - before[name]) / jobs for name in after}
            await clients[1].flushall()  # before the answer, upon which the other version begins
            print(  # noqa: T201
                json.dumps({"clock_us": 1e6 * passed / jobs, "client_us": 1e6 * spent / jobs, **found}), flush=True
            )
    for client in clients:
        await client.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
