"""`jobsvalkey cleanup`: remove or rerun many jobs, by state and age."""

import asyncio
from typing import Annotated, Any

import typer

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.durations import parse_duration
from jobsvalkey.cli.errors import WrongUsage
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, AsJson, Queue, Url
from jobsvalkey.cli.output import console, print_json, print_table
from jobsvalkey.contract import CleanupParameters, JobCleanup, JobStatus

WHAT = "remove, rerun, or either with an age: remove:7d"


def _removal(state: str) -> Any:
    return typer.Option(metavar="remove[:AGE]", show_default=False, help=f"Remove {state} jobs.")


def _action(state: str) -> Any:
    return typer.Option(metavar="remove|rerun[:AGE]", show_default=False, help=f"Remove or rerun {state} jobs.")


def cleanup(
    pending: Annotated[str | None, _removal("pending")] = None,
    paused: Annotated[str | None, _removal("paused")] = None,
    processing: Annotated[str | None, _action("running")] = None,
    completed: Annotated[str | None, _action("completed")] = None,
    failed: Annotated[str | None, _action("failed")] = None,
    cancelled: Annotated[str | None, _action("cancelled")] = None,
    only_orphans: Annotated[
        bool, typer.Option("--only-orphans", help="Of the running jobs, take only those of dead workers.")
    ] = False,
    recover: Annotated[
        bool, typer.Option("--recover", help="First put the jobs of dead workers back into the queue.")
    ] = False,
    url: Url = DEFAULT_URL,
    queue: Queue = DEFAULT_QUEUE,
    json: AsJson = False,
) -> None:
    """Remove or rerun jobs by state and age.

    As in: jobsvalkey cleanup --completed remove:7d --failed rerun --cancelled remove

    Age counts from the end of a finished job, from the claim of a running one, and from when it was stored for one
    that waits. Works in chunks, while workers run. If you interrupt it, the chunks done so far stay done.
    """
    texts = {
        JobStatus.PENDING: pending,
        JobStatus.PAUSED: paused,
        JobStatus.PROCESSING: processing,
        JobStatus.COMPLETED: completed,
        JobStatus.FAILED: failed,
        JobStatus.CANCELLED: cancelled,
    }
    wanted = {status: _parse(status, text) for status, text in texts.items() if text is not None}
    if not wanted and not recover:
        raise WrongUsage("nothing to do: name a state and what to do, such as --completed remove:7d, or --recover")
    if only_orphans and JobStatus.PROCESSING not in wanted:
        raise WrongUsage("--only-orphans goes with --processing remove or --processing rerun")
    try:
        # The rules of what makes sense are the library's.
        CleanupParameters(**{f"{status}_jobs": each for status, each in wanted.items()}, only_orphans=only_orphans)
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    recovered, cleaned = asyncio.run(_clean(url, queue, wanted, only_orphans, recover))
    if json:
        print_json({"recovered": recovered, **{status.value: count for status, count in cleaned.items()}})
        return
    rows = [("processing", "recovered", f"{recovered:,}")] if recover else []
    done = {"remove": "removed", "rerun": "rerun"}
    rows += [(status.value, done[wanted[status].action], f"{count:,}") for status, count in cleaned.items()]
    print_table(("state", "", "jobs"), rows, right=("jobs",))


def _parse(status: JobStatus, text: str) -> JobCleanup:
    action, colon, age = text.partition(":")
    max_age = parse_duration(age) if colon else None
    if action == "remove":
        return JobCleanup.remove(max_age=max_age)
    if action == "rerun":
        return JobCleanup.rerun(max_age=max_age)
    raise WrongUsage(f"--{status} {text}: write {WHAT}")


async def _clean(
    url: str, queue_key: str, wanted: dict[JobStatus, JobCleanup], only_orphans: bool, recover: bool
) -> tuple[int, dict[JobStatus, int]]:
    recovered, cleaned = 0, dict[JobStatus, int]()
    # Progress is for whoever watches; a pipe or a file gets the result alone.
    watched = console(stderr=True)
    # Imported where it is used: it takes a while.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with open_queue(url, queue_key) as queue:
        counts = await queue.counts()
        if recover:
            recovered = await queue.driver.cleanup_orphaned_jobs()
            counts = await queue.counts()
        with Progress(*columns, console=watched, disable=not watched.is_terminal, transient=True) as progress:
            for status, cleanup in wanted.items():
                task = progress.add_task(status.value, total=counts[status])
                cleaned[status] = 0
                steps = queue.driver.cleanup_steps(status, cleanup, counts[status], only_orphans=only_orphans)
                async for done in steps:
                    cleaned[status] += done
                    progress.advance(task, done)
    return recovered, cleaned
