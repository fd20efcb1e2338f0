"""`jobsvalkey info`: how the queue does."""

import asyncio
from datetime import timedelta
from typing import Any

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, AsJson, Queue, Url
from jobsvalkey.cli.output import print_fields, print_json
from jobsvalkey.cli.server_url import redacted
from jobsvalkey.contract import JobStatus


def info(url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """Count the jobs in each state."""
    found = asyncio.run(_look(url, queue))
    if json:
        print_json(found)
        return
    counts: dict[str, int] = found.pop("jobs")
    # Not to be taken for the number of paused jobs, which follows.
    labels = {"paused": "queue paused", "seconds_behind": "seconds behind"}
    rows: list[tuple[str, object]] = [(labels.get(name, name), value) for name, value in found.items()]
    rows += [(status, f"{count:,}") for status, count in counts.items()]
    print_fields(rows)


async def _look(url: str, queue_key: str) -> dict[str, Any]:
    async with open_queue(url, queue_key) as queue:
        counts = await queue.counts()
        load = await queue.load()
        durable = await queue.driver.is_durable()
        server = await queue.driver.server()
    return {
        "server": server,
        "url": redacted(url),
        "queue": queue_key,
        "paused": load.is_paused,
        "durable": durable,
        "seconds_behind": round((load.oldest_due or timedelta(0)).total_seconds(), 3),
        "jobs": {status.value: counts[status] for status in JobStatus},
    }
