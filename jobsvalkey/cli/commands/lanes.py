"""`jobsvalkey lanes`: what lanes do, and what they may use at a time."""

import asyncio
from datetime import timedelta
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
    """List the lanes that have pending jobs, or a limit and running jobs."""
    found = asyncio.run(_lanes(url, queue))
    if json:
        print_json([_as_json(lane) for lane in found])
    elif found:
        rows = [(lane.name, lane.pending, lane.running, *_shown(lane.limit)) for lane in found]
        columns = ("lane", "pending", "running", "concurrency", "rate")
        print_table(columns, rows, right=("pending", "running", "concurrency"))
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
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="N/SECONDS", help="How many jobs of each begin in that many seconds, at most.", show_default=False
        ),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the limit of this pattern.")] = False,
    json: AsJson = False,
) -> None:
    """Limit what lanes may use, for all workers, or list the limits."""
    if pattern is None:
        if concurrency is not None or rate is not None or remove:
            raise WrongUsage("say which lanes: jobsvalkey lanes limit PATTERN --concurrency N")
        _list_limits(asyncio.run(_limits(url, queue)), json=json)
        return
    if (concurrency is None and rate is None) is not remove:
        raise WrongUsage("say what the limit is: --concurrency N, --rate N/SECONDS or both, or --remove for none")
    try:
        asyncio.run(_set_limit(url, queue, pattern, None if remove else LaneLimit(concurrency, _rate_of(rate))))
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    say(f"the limit of {pattern} is removed" if remove else f"the limit of {pattern} is set")


def _list_limits(limits: dict[str, LaneLimit], *, json: bool) -> None:
    if json:
        names = ("concurrency", "rate")
        print_json({pattern: dict(zip(names, _shown(limit), strict=True)) for pattern, limit in limits.items()})
    elif limits:
        rows = [(pattern, *_shown(limit)) for pattern, limit in limits.items()]
        print_table(("pattern", "concurrency", "rate"), rows, right=("concurrency",))
    else:
        say("no limits")


def _rate_of(text: str | None) -> tuple[int, timedelta] | None:
    if text is None:
        return None
    number, _, seconds = text.partition("/")
    try:
        return int(number), timedelta(seconds=float(seconds))
    except (ValueError, OverflowError):
        raise WrongUsage(f"a rate is a number and seconds, such as 100/60, not {text!r}") from None


def _shown(limit: LaneLimit | None) -> tuple[int | None, str | None]:
    if limit is None or limit.rate is None:
        return limit and limit.concurrency, None
    number, per = limit.rate
    return limit.concurrency, f"{number}/{per.total_seconds():g}"


def _as_json(lane: StoredLane) -> dict[str, object]:
    concurrency, rate = _shown(lane.limit)
    return {
        "name": lane.name,
        "pending": lane.pending,
        "running": lane.running,
        "concurrency": concurrency,
        "rate": rate,
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
