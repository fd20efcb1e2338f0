"""`jobsvalkey queue`: pause and resume the queue as a whole."""

import asyncio

import typer

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, Queue, Url
from jobsvalkey.cli.output import say

app: typer.Typer = typer.Typer(help="Pause and resume the queue as a whole.", rich_markup_mode=None)


@app.command()
def pause(url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE) -> None:
    """Let no worker claim a job from now on. Those that run go on. Swift workers do not know of it."""
    asyncio.run(_pause(url, queue))
    say(f"queue {queue} is paused")


@app.command()
def resume(url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE) -> None:
    """Let workers claim jobs again."""
    asyncio.run(_resume(url, queue))
    say(f"queue {queue} is resumed")


async def _pause(url: str, queue_key: str) -> None:
    async with open_queue(url, queue_key) as queue:
        await queue.pause_queue()


async def _resume(url: str, queue_key: str) -> None:
    async with open_queue(url, queue_key) as queue:
        await queue.resume_queue()
