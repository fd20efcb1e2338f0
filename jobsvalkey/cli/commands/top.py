"""`jobsvalkey top`: queues, live in the terminal."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.durations import parse_duration
from jobsvalkey.cli.errors import WrongUsage
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, Url
from jobsvalkey.cli.output import console
from jobsvalkey.cli.terminal import shown
from jobsvalkey.contract import Activity, JobStatus, Load, StoreUnavailable
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue

if TYPE_CHECKING:
    from rich.console import RenderableType

# rich is imported where it is used: it takes a while, and most commands print a line.

_COLORS = {
    JobStatus.PENDING: "blue",
    JobStatus.PAUSED: "yellow",
    JobStatus.WAITING: "cyan",
    JobStatus.PROCESSING: "magenta",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "bright_black",
}


class Look(NamedTuple):
    """A queue as it is at one moment."""

    counts: Mapping[JobStatus, int]
    load: Load
    last_hour: Sequence[Activity] = ()


def top(
    url: Url = DEFAULT_URL,
    queue: Annotated[
        list[str] | None, typer.Option("--queue", help="A queue's key; may be given more than once.")
    ] = None,
    every: Annotated[str, typer.Option(help="How often to look, such as 500ms or 5s.")] = "1s",
) -> None:
    """Watch queues: how many jobs are in each state, how many are due and for how long, and how many workers live.

    If activity is counted, also how many jobs have completed and failed in the last hour.

    Ctrl-C ends it. Into a pipe or a file it prints what there is now, once.
    """
    pause = parse_duration(every)
    if pause < timedelta(milliseconds=100):
        raise WrongUsage("--every: look at most ten times a second, as in --every 100ms")
    with suppress(KeyboardInterrupt):  # the way to end it
        asyncio.run(_watch(url, list(dict.fromkeys(queue or [DEFAULT_QUEUE])), pause.total_seconds()))


async def _watch(url: str, keys: Sequence[str], pause: float) -> None:
    from rich.live import Live

    async with AsyncExitStack() as stack:
        queues = {key: await stack.enter_async_context(open_queue(url, key)) for key in keys}
        looks = await _look(queues)
        screen = console()
        if not screen.is_terminal:
            screen.print(picture(looks, with_bars=False), soft_wrap=False)  # a pipe is of any width
            return
        with Live(picture(looks), console=screen, auto_refresh=False, screen=True) as live:
            while True:
                try:
                    looks, is_away = await _look(queues), False
                except StoreUnavailable:
                    is_away = True
                live.update(picture(looks, is_away=is_away), refresh=True)
                await asyncio.sleep(pause)


async def _look(queues: Mapping[str, JobQueue[ValkeyJobQueue]]) -> dict[str, Look]:
    return {
        key: Look(
            await queue.counts(),
            await queue.load(),
            await queue.activity(since=queue.driver.clock.now() - timedelta(hours=1)),
        )
        for key, queue in queues.items()
    }


def picture(looks: Mapping[str, Look], *, is_away: bool = False, with_bars: bool = True) -> "RenderableType":
    """Draw queues: numbers in a table, with a bar for each state that is as wide as there is room."""
    from rich.bar import Bar
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    if is_away:
        parts.append(Text("the server does not answer; these numbers are old", style="bold red"))
    for key, (counts, load, last_hour) in looks.items():
        parts.append(Text.assemble((shown(key), "bold"), ("  paused" if load.is_paused else "", "yellow")))
        waits = "-" if load.oldest_due is None else f"{load.oldest_due.total_seconds():.1f} s"
        parts.append(Text(f"due {load.due:,}  delayed {load.delayed:,}  first waits {waits}  workers {load.workers:,}"))
        if last_hour:
            done, failed = (sum(each.completed for each in last_hour), sum(each.failed for each in last_hour))
            parts.append(Text(f"last hour: completed {done:,}  failed {failed:,}"))
        table = Table(box=None, pad_edge=False, show_header=False, expand=with_bars)
        table.add_column(min_width=10)
        table.add_column(justify="right", min_width=10)
        if with_bars:
            table.add_column(ratio=1)
        most = max(counts.values()) or 1
        for status in JobStatus:
            bar = [Bar(most, 0, counts[status], color=_COLORS[status])] if with_bars else []
            table.add_row(status.value, f"{counts[status]:,}", *bar)
        parts += [table, Text("")]
    return Group(*parts)
