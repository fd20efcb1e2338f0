"""`jobsvalkey workers`: who serves the queue."""

import asyncio
from dataclasses import asdict

import typer

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, AsJson, Queue, Url
from jobsvalkey.cli.output import print_json, print_table, say
from jobsvalkey.runtime import WorkerRecord

app: typer.Typer = typer.Typer(help="Look at the workers of the queue.", rich_markup_mode=None)


@app.command("list")
def list_workers(url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """List living workers, and dead ones whose jobs are not recovered yet. Swift workers are not listed."""
    found = asyncio.run(_workers(url, queue))
    if json:
        print_json([asdict(worker) for worker in found])
    elif found:
        columns = ("host", "process", "slots", "jobs", "lock ends (UTC)", "version", "id")
        rows = [
            (each.host, each.process, each.slots, each.jobs, each.lock_ends, each.version, each.id) for each in found
        ]
        print_table(columns, rows, right=("process", "slots", "jobs"))
    else:
        say("no workers")


async def _workers(url: str, queue_key: str) -> list[WorkerRecord]:
    async with open_queue(url, queue_key) as queue:
        return await queue.workers()
