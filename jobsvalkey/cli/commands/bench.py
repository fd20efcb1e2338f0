"""`jobsvalkey bench`: how fast the queue is on this machine."""

import asyncio
import importlib
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobsvalkey.cli.collecting import loaded_for_good
from jobsvalkey.cli.embedded import server_at
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.cli.options import AsJson, OptionalUrl
from jobsvalkey.cli.output import console, print_json, print_table, say

if TYPE_CHECKING:
    from jobsvalkey.cli.benchmarks.measures import Measurement

COLUMNS = ("", "median", "Python", "server", "commands", "bytes", "ratio", "to", "goal", "")

BESIDE = 100_000
MOST_BESIDE = 1_000_000
"""Some 400 MB."""


def bench(
    rounds: Annotated[int, typer.Option(min=1, help="How many rounds; the medians are shown.")] = 5,
    url: OptionalUrl = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Several processes, more features, and a queue with many jobs, as well.")
    ] = False,
    beside: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_BESIDE,
            help=f"Beside how many other jobs to measure; they are removed at the end. With --all: {BESIDE:,}.",
            show_default=False,
        ),
    ] = None,
    uvloop: Annotated[
        bool, typer.Option("--uvloop", help="Use the event loop of uvloop, which has to be installed.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Measure how fast the queue is here.

    Shows pushes, drains, latency, starts and idle cost next to what the bare client does in the same run, what each
    job costs this process and the server, and what limits the rates.
    """
    from jobsvalkey.cli.benchmarks.measures import measure  # only this command needs all of it

    run = _on_uvloop() if uvloop else asyncio.run
    with console(stderr=True).status("") as status, server_at(url) as server, loaded_for_good():
        more, many = everything, BESIDE if everything and beside is None else beside or 0
        lines = run(measure(server, rounds, status.update, more=more, beside=many))
    if json:
        print_json([asdict(line) for line in lines])
    else:
        print_lines(lines)


def _on_uvloop() -> "Callable[[Coroutine[Any, Any, list[Measurement]]], list[Measurement]]":
    try:
        module = importlib.import_module("uvloop")
    except ImportError:
        raise CommandFailed("uvloop is not installed: pip install uvloop") from None
    return module.run


def print_lines(lines: "list[Measurement]") -> None:
    """The result as a table."""
    rows = [
        (
            line.name,
            f"{line.value:,.2f}{line.unit}" if line.value < 100 else f"{line.value:,.0f}{line.unit}",
            "" if line.client_us is None else f"{line.client_us:.1f} µs",
            "" if line.server_us is None else f"{line.server_us:.1f} µs",
            "" if line.commands is None else f"{line.commands:.1f}",
            "" if line.bytes is None else f"{line.bytes:,.0f}",
            "" if line.ratio is None else f"{line.ratio:.2f}",
            line.against,
            line.goal,
            {None: "", True: "met", False: "MISSED"}[line.met],
        )
        for line in lines
    ]
    print_table(COLUMNS, rows, right=("median", "Python", "server", "commands", "bytes", "ratio", "goal"))
    for line in lines:
        if line.verdict:
            say(line.verdict)
