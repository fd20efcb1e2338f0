"""`jobsvalkey jobs`: look at single jobs, and change what becomes of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

import typer

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.errors import CommandFailed, WrongUsage
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, AsJson, Queue, Url
from jobsvalkey.cli.output import as_json, print_fields, print_json, print_lines, print_table, say
from jobsvalkey.contract import AbortOutcome, JobID, JobStatus
from jobsvalkey.runtime import JobQueue, JobRecord
from jobsvalkey.valkey import ValkeyJobQueue

app: typer.Typer = typer.Typer(help="Look at single jobs, and change them.", rich_markup_mode=None)

OneID: TypeAlias = Annotated[str, typer.Argument(metavar="ID", help="The job's id.", show_default=False)]
IDs: TypeAlias = Annotated[list[str], typer.Argument(metavar="ID...", help="The jobs' ids.", show_default=False)]
Change: TypeAlias = Callable[[JobQueue[ValkeyJobQueue], JobID], Awaitable[bool]]


@app.command("list")
def list_jobs(
    status: Annotated[
        list[JobStatus] | None,
        typer.Option(help="Only jobs in this state; may be repeated. By default all."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many jobs of each state at most.")] = 20,
    url: Url = DEFAULT_URL,
    queue: Queue = DEFAULT_QUEUE,
    json: AsJson = False,
) -> None:
    """List jobs: waiting ones in the order of their due times, finished ones by their ends, latest first."""
    found = asyncio.run(_list(url, queue, status or list(JobStatus), limit))
    if json:
        print_json([as_json(record) for record in found])
    elif found:
        columns = ("id", "name", "status", "attempt", "time (UTC)", "progress", "error")
        print_table(columns, [_row(record) for record in found], right=("attempt",))
    else:
        say("no jobs")


@app.command()
def show(job_id: OneID, url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """Show one job: parameters, times, progress or result, its last failed runs, and the last error with traceback."""
    record = asyncio.run(_get(url, queue, parse_id(job_id)))
    if record is None:
        raise CommandFailed(f"there is no job {job_id} in queue {queue!r}: `jobs list` shows those that are there")
    if json:
        print_json(as_json(record))
        return
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__ if name not in ("error", "runs")}
    if record.unique is not None:
        fields["unique"] = f"{record.unique.key} (until {record.unique.until}, else {record.unique.otherwise})"
    if record.after:
        fields["after"] = " ".join(map(str, record.after))
        fields["ended_parents"] = " ".join(
            f"{each} ({status or 'removed'})" for each, status in record.ended_parents.items()
        )
        fields["ended_parents"] = fields["ended_parents"] or None
    else:
        del fields["if_failed"], fields["ended_parents"]
    print_fields(
        [(name.replace("_", " "), value) for name, value in fields.items() if value is not None and value != ()]
    )
    if record.runs:
        print_lines("\n")
        say("runs that failed, or whose worker died, the latest first:")
        rows = [(run.at, run.worker, "(its worker died)" if run.error is None else run.error) for run in record.runs]
        print_table(("time (UTC)", "worker", "error"), rows)
    if record.error is not None:
        print_lines("\n")
        which = f" of attempt {record.error.attempt}" if record.error.attempt else ""
        say(f"error{which}: {record.error.type}: {record.error.message}")
        print_lines(record.error.traceback)


@app.command()
def cancel(ids: IDs, url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """Cancel jobs that are pending, paused or waiting. They are kept as cancelled, until something removes them."""
    _change("cancelled", "pending or paused", lambda queue, job_id: queue.cancel(job_id), ids, url, queue, json)


@app.command()
def abort(ids: IDs, url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """Cancel jobs that have not run, and ask for the end of those that run: they do not run again."""
    outcomes = asyncio.run(_abort_all(url, queue, [parse_id(each) for each in ids]))
    if json:
        print_json([{"job_id": str(job_id), "outcome": outcome.value} for job_id, outcome in outcomes])
    else:
        for job_id, outcome in outcomes:
            if outcome is not AbortOutcome.NOTHING:
                say(f"{job_id} cancelled" if outcome is AbortOutcome.CANCELLED else f"{job_id} was asked to end")
    refused = [str(job_id) for job_id, outcome in outcomes if outcome is AbortOutcome.NOTHING]
    if refused:
        raise CommandFailed(
            "not aborted, since the job has ended, is not there, or a Swift worker runs it: " + ", ".join(refused)
        )


@app.command()
def pause(ids: IDs, url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """Set pending jobs aside."""
    _change("paused", "pending", lambda queue, job_id: queue.pause(job_id), ids, url, queue, json)


@app.command()
def resume(ids: IDs, url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """Put paused or waiting jobs back, at the due time that they had."""
    _change("resumed", "paused", lambda queue, job_id: queue.resume(job_id), ids, url, queue, json)


@app.command()
def rerun(ids: IDs, url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """Run finished jobs again, now, from attempt 1."""
    _change("rerun", "finished", lambda queue, job_id: queue.rerun(job_id), ids, url, queue, json)


@app.command()
def remove(ids: IDs, url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """Remove jobs that are not running."""
    _change("removed", "one that does not run", lambda queue, job_id: queue.remove(job_id), ids, url, queue, json)


def _change(done: str, wanted: str, change: Change, ids: list[str], url: str, queue_key: str, json: bool) -> None:
    outcomes = asyncio.run(_change_all(url, queue_key, change, [parse_id(each) for each in ids]))
    if json:
        print_json([{"job_id": str(job_id), "done": status is None} for job_id, status in outcomes])
    else:
        for job_id, status in outcomes:
            if status is None:
                say(f"{job_id} {done}")
    refused = [f"{job_id} is {status}" for job_id, status in outcomes if status is not None]
    if refused:
        raise CommandFailed(f"not {done}, since the job is not {wanted}: {', '.join(refused)}")


async def _change_all(url: str, queue_key: str, change: Change, ids: list[JobID]) -> list[tuple[JobID, str | None]]:
    """For each job `None`, or the status for which nothing was done."""
    outcomes: list[tuple[JobID, str | None]] = []
    async with open_queue(url, queue_key) as queue:
        for job_id in ids:
            status = None if await change(queue, job_id) else await queue.status(job_id) or "not there"
            outcomes.append((job_id, status))
    return outcomes


async def _abort_all(url: str, queue_key: str, ids: list[JobID]) -> list[tuple[JobID, AbortOutcome]]:
    async with open_queue(url, queue_key) as queue:
        return [(job_id, await queue.abort(job_id)) for job_id in ids]


async def _list(url: str, queue_key: str, statuses: list[JobStatus], limit: int) -> list[JobRecord]:
    async with open_queue(url, queue_key) as queue:
        return [record for status in statuses async for record in queue.jobs(status, limit=limit)]


async def _get(url: str, queue_key: str, job_id: JobID) -> JobRecord | None:
    async with open_queue(url, queue_key) as queue:
        return await queue.get(job_id)


def _row(record: JobRecord) -> tuple[object, ...]:
    time = record.ended_at or record.claimed_at or record.due or record.stored_at
    error = "" if record.error is None else f"{record.error.type}: {record.error.message}".split("\n", 1)[0]
    name = record.name or "(unreadable)"
    return record.id, name, record.status, record.attempt, time, record.progress, error


def parse_id(job_id: str) -> JobID:
    """Return the id that a user has written."""
    try:
        return JobID.parse(job_id)
    except ValueError as error:
        raise WrongUsage(str(error)) from error
