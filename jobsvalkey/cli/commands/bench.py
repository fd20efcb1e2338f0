"""`jobsvalkey bench`: how fast the queue is on this machine."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from jobsvalkey.cli.collecting import loaded_for_good
from jobsvalkey.cli.embedded import server_at
from jobsvalkey.cli.options import AsJson, OptionalUrl
from jobsvalkey.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from jobsvalkey.cli.benchmarks.measures import Measurement

COLUMNS = ("", "median", "ratio", "to", "goal", "")


def bench(
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured; the medians are shown.")] = 5,
    url: OptionalUrl = None,
    json: AsJson = False,
) -> None:
    """Measure how fast the queue is here.

    Pushes, drain, latency and idle cost, beside what the bare client does in the same run.
    """
    from jobsvalkey.cli.benchmarks.measures import measure  # only this command needs all of it

    with console(stderr=True).status("") as status, server_at(url) as server, loaded_for_good():
        lines = asyncio.run(measure(server, rounds, status.update))
    if json:
        print_json([asdict(line) for line in lines])
    else:
        print_lines(lines)


def print_lines(lines: "list[Measurement]") -> None:
    """The result as a table."""
    rows = [
        (
            line.name,
            f"{line.value:,.2f}{line.unit}" if line.value < 100 else f"{line.value:,.0f}{line.unit}",
            "" if line.ratio is None else f"{line.ratio:.2f}",
            line.against,
            line.goal,
            {None: "", True: "met", False: "MISSED"}[line.met],
        )
        for line in lines
    ]
    print_table(COLUMNS, rows, right=("median", "ratio", "goal"))
