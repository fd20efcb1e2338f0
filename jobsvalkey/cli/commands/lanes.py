"""`jobsvalkey lanes`: what lanes do, and what they may use at a time."""

import asyncio
from typing import Annotated

import typer

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.errors import WrongUsage
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, AsJson, Queue, Url
from jobsvalkey.cli.output import print_json, print_table, say
from jobsvalkey.contract import LaneLimit, StoredLane

app: typer.Typer = typer.Typer(
    help="Look at the lanes of the queue, and limit what they may use.", rich_markup_mode=None
)


@app.command("list")
def list_lanes(url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """List the lanes that have pending jobs, or a limit and running ones."""
    found = asyncio.run(_lanes(url, queue))
    if json:
        print_json([_as_json(lane) for lane in found])
    elif found:
        rows = [(lane.name, lane.pending, lane.running, lane.limit and lane.limit.concurrency) for lane in found]
        print_table(("lane", "pending", "running", "concurrency"), rows, right=("pending", "running", "concurrency"))
    else:
        say("no lanes")


@app.command()
def limit(
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="[PATTERN]",
            help="The name of a lane, or the beginning of names and *. Without it, all limits are listed.",
            show_default=False,
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    queue: Queue = DEFAULT_QUEUE,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, help="How many jobs of each of these lanes run at a time, at most.", show_default=False),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the limit of this pattern away.")] = False,
    json: AsJson = False,
) -> None:
    """Limit what lanes may use at a time, for all workers, or list the limits."""
    if pattern is None:
        if concurrency is not None or remove:
            raise WrongUsage("say which lanes: jobsvalkey lanes limit PATTERN --concurrency N")
        _list_limits(asyncio.run(_limits(url, queue)), json=json)
        return
    if (concurrency is None) is not remove:
        raise WrongUsage("say what the limit is: --concurrency N, or --remove for none")
    try:
        asyncio.run(_set_limit(url, queue, pattern, None if concurrency is None else LaneLimit(concurrency)))
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    say(f"{pattern} has no limit of its own" if remove else f"{pattern}: at most {concurrency} at a time")


def _list_limits(limits: dict[str, LaneLimit], *, json: bool) -> None:
    if json:
        print_json({pattern: {"concurrency": limit.concurrency} for pattern, limit in limits.items()})
    elif limits:
        rows = [(pattern, limit.concurrency) for pattern, limit in limits.items()]
        print_table(("pattern", "concurrency"), rows, right=("concurrency",))
    else:
        say("no limits")


def _as_json(lane: StoredLane) -> dict[str, object]:
    return {
        "name": lane.name,
        "pending": lane.pending,
        "running": lane.running,
        "concurrency": lane.limit and lane.limit.concurrency,
    }


async def _lanes(url: str, queue_key: str) -> list[StoredLane]:
    async with open_queue(url, queue_key) as queue:
        return [lane async for lane in queue.lanes()]


async def _limits(url: str, queue_key: str) -> dict[str, LaneLimit]:
    async with open_queue(url, queue_key) as queue:
        return await queue.lane_limits()


async def _set_limit(url: str, queue_key: str, pattern: str, limit: LaneLimit | None) -> None:
    async with open_queue(url, queue_key) as queue:
        await queue.set_lane_limit(pattern, limit)
