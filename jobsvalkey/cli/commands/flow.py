"""`jobsvalkey flow`: jobs that wait for others."""

import asyncio
from typing import Annotated, Any

import typer

from jobsvalkey.cli.commands.jobs import parse_id
from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, AsJson, Queue, Url
from jobsvalkey.cli.output import print_json, say
from jobsvalkey.contract import JobID
from jobsvalkey.runtime import JobRecord
from jobsvalkey.runtime.flow_tree import TreeLine, lines_of, look_at_flow

app: typer.Typer = typer.Typer(help="Look at jobs that wait for others.", rich_markup_mode=None)


@app.callback()
def flow() -> None:
    """Look at jobs that wait for others."""


@app.command()
def show(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a job, or of a batch.", show_default=False)],
    url: Url = DEFAULT_URL,
    queue: Queue = DEFAULT_QUEUE,
    json: AsJson = False,
) -> None:
    """Show a job, and all that it waits or has waited for, as a tree with their states."""
    first = parse_id(job_id)
    found = asyncio.run(_look(url, queue, first))
    if found[first] is None:
        raise CommandFailed(f"there is no job {job_id} in queue {queue!r}: `jobs list` shows those that are there")
    if json:
        print_json([_as_json(record) for record in found.values() if record is not None])
        return
    for line in lines_of(first, found):
        say(f"{line.branch}{_text(line)}{' (as above)' if line.is_repeated else ''}")


async def _look(url: str, queue_key: str, first: JobID) -> dict[JobID, JobRecord | None]:
    async with open_queue(url, queue_key) as queue:
        return await look_at_flow(queue, first)


def _text(line: TreeLine) -> str:
    if line.record is None:
        status = " removed" if line.is_removed else "" if line.ended is None else f" {line.ended}"
        return f"{line.job_id}{status} (not there any more)"
    text = f"{line.job_id} {line.record.name or '(unreadable)'} {line.record.status}"
    if line.record.members is not None:
        counts = line.record.members
        text += f" (members: {counts.completed} completed, {counts.failed} failed, {counts.cancelled} cancelled)"
    return text


def _as_json(record: JobRecord) -> dict[str, Any]:
    return {
        "id": str(record.id),
        "name": record.name,
        "status": record.status.value,
        "after": [str(parent) for parent in record.after],
        "if_failed": record.if_failed,
        "ended_parents": {
            str(parent): None if status is None else status.value for parent, status in record.ended_parents.items()
        },
        "batch": None if record.batch is None else str(record.batch),
        "members": record.members,
    }
