"""`jobsvalkey queue`: the queue as a whole: how much there is to do, pause and resume."""

import asyncio
from dataclasses import asdict

import typer

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, AsJson, Queue, Url
from jobsvalkey.cli.output import print_fields, print_json, say
from jobsvalkey.contract import Load

app: typer.Typer = typer.Typer(
    help="Pause and resume the queue as a whole, and see how much there is to do.", rich_markup_mode=None
)


@app.command()
def pause(url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE) -> None:
    """Stop workers from claiming jobs. Running jobs go on. Swift workers are not affected."""
    asyncio.run(_pause(url, queue))
    say(f"queue {queue} is paused")


@app.command()
def resume(url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE) -> None:
    """Let workers claim jobs again."""
    asyncio.run(_resume(url, queue))
    say(f"queue {queue} is resumed")


@app.command()
def load(url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """Show how much there is to do: due, delayed, waiting and running jobs, and workers. For autoscalers and alarms."""
    fields = asdict(asyncio.run(_load(url, queue)))
    oldest = fields["oldest_due"]
    fields["oldest_due"] = None if oldest is None else round(oldest.total_seconds(), 3)
    if json:
        print_json(fields)
        return
    labels = {"oldest_due": "first is due for seconds", "is_paused": "queue paused"}
    print_fields((labels.get(name, name), "-" if value is None else value) for name, value in fields.items())


async def _load(url: str, queue_key: str) -> Load:
    async with open_queue(url, queue_key) as queue:
        return await queue.load()


async def _pause(url: str, queue_key: str) -> None:
    async with open_queue(url, queue_key) as queue:
        await queue.pause_queue()


async def _resume(url: str, queue_key: str) -> None:
    async with open_queue(url, queue_key) as queue:
        await queue.resume_queue()
