"""`jobsvalkey flow`: jobs that wait for others."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from jobsvalkey.cli.commands.jobs import parse_id
from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, AsJson, Queue, Url
from jobsvalkey.cli.output import print_json, say
from jobsvalkey.contract import JobID
from jobsvalkey.runtime import JobRecord

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
    if first not in found:
        raise CommandFailed(f"there is no job {job_id} in queue {queue!r}: `jobs list` shows those that are there")
    if json:
        print_json([_as_json(record) for record in found.values()])
        return
    for line in _lines(first, found):
        say(line)


async def _look(url: str, queue_key: str, first: JobID) -> dict[JobID, JobRecord]:
    """The jobs that are there, each once, those that are closest first."""
    found, seen, wanted = dict[JobID, JobRecord](), {first}, [first]
    async with open_queue(url, queue_key) as queue:
        for job_id in wanted:
            record = await queue.get(job_id)
            if record is None:
                continue
            found[job_id] = record
            for parent in record.after:
                if parent not in seen:
                    seen.add(parent)
                    wanted.append(parent)
    return found


def _lines(first: JobID, found: Mapping[JobID, JobRecord]) -> Iterator[str]:
    """The tree, a line for each job. One that several others come after has its parents where it is shown first."""
    shown = set[JobID]()
    left: list[tuple[JobID, str, str, JobRecord | None]] = [(first, "", "", None)]
    while left:
        job_id, beginning, below, child = left.pop()
        record = found.get(job_id)
        yield f"{beginning}{_text(job_id, record, child)}{' (as above)' if job_id in shown else ''}"
        if record is None or job_id in shown:
            continue
        shown.add(job_id)
        for place, parent in reversed(list(enumerate(record.after, 1))):
            is_last = place == len(record.after)
            left.append((parent, below + ("└─ " if is_last else "├─ "), below + ("   " if is_last else "│  "), record))


def _text(job_id: JobID, record: JobRecord | None, child: JobRecord | None) -> str:
    if record is None:
        is_told = child is not None and job_id in child.ended_parents
        status = f" {child.ended_parents[job_id] or 'removed'}" if child is not None and is_told else ""
        return f"{job_id}{status} (not there any more)"
    text = f"{job_id} {record.name or '(unreadable)'} {record.status}"
    if record.members is not None:
        counts = record.members
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
