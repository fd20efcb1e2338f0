"""`jobsvalkey demo`: the queue at work, with a worker that is killed in the middle."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from jobsvalkey.cli.demo.files import default_folder, find_files
from jobsvalkey.cli.embedded import server_at
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.cli.options import AsJson, OptionalUrl
from jobsvalkey.cli.output import console, print_fields, print_json
from jobsvalkey.cli.terminal import shown


def demo(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="PATH", help="A folder; by default the one that Python's packages are installed in."),
    ] = None,
    url: OptionalUrl = None,
    json: AsJson = False,
) -> None:
    """Watch a queue that loses a worker.

    Pushes one job per file below PATH; each computes the file's SHA-256, size and number of lines. Two worker
    processes run them. Half-way, one is killed, and the other takes over its jobs. At the end every job is accounted
    for.
    """
    # With --json, what is shown on the way goes elsewhere.
    out = console(stderr=json)
    from jobsvalkey.cli.demo.run import run_demo  # what it shows takes a while to import

    found = find_files(path or default_folder())
    passed_over = f" ({found.passed_over:,} that cannot be one are passed over)" if found.passed_over else ""
    out.print(shown(f"{len(found.files):,} files below {found.folder}{passed_over}"))
    with server_at(url) as server:
        report = asyncio.run(run_demo(server, found, out))
    if json:
        print_json(report.fields())
    else:
        print_fields(report.rows())
    if not report.succeeded:
        raise CommandFailed(f"{report.lost:,} jobs are lost, and validate found {len(report.inconsistencies):,} faults")
