"""`jobsvalkey schedule`: what a service has on its schedule, and what fires next."""

import asyncio
import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any, cast

import typer

from jobsvalkey.cli.loading import load, opened
from jobsvalkey.cli.options import AsJson, ScheduleTarget
from jobsvalkey.cli.output import print_json, print_table, say
from jobsvalkey.contract import SystemClock
from jobsvalkey.scheduling import JobSchedule, ScheduledJob
from jobsvalkey.service import JobService

_KINDS = (JobService, JobSchedule)

app: typer.Typer = typer.Typer(help="Show what a service has on its schedule.", rich_markup_mode=None)


@app.command("list")
def list_jobs(target: ScheduleTarget, json: AsJson = False) -> None:
    """List the scheduled jobs, with their schedules in words."""
    now = SystemClock().now()
    rows = [
        {
            "id": job.id,
            "job": job.job.job.name,
            "schedule": job.schedule.describe(),
            "accuracy": job.accuracy.value,
            "next": job.schedule.next_after(now),
        }
        for job in _load(target)
    ]
    _print(rows, json)


@app.command("next")
def show_next(
    target: ScheduleTarget,
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    json: AsJson = False,
) -> None:
    """Show what fires next, in order."""
    now = SystemClock().now()
    # In UTC: datetimes of one zone compare by what the clock shows, which comes twice in a fold.
    triggers = heapq.merge(*(_triggers(job, now) for job in _load(target)), key=lambda each: each[0].astimezone(UTC))
    rows = [
        {"at": at, "in": timedelta(seconds=round((at - now).total_seconds())), "id": job.id, "job": job.job.job.name}
        for at, job in islice(triggers, count)
    ]
    if json:
        for row in rows:
            del row["in"]
    _print(rows, json)


def _print(rows: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json(rows)
    elif rows:
        # Each time in the zone of its schedule.
        cells = [[_time(value) for value in row.values()] for row in rows]
        print_table(tuple(rows[0]), cells)
    else:
        say("nothing is scheduled")


def _time(value: object) -> object:
    return f"{value:%a %Y-%m-%d %H:%M:%S %Z}" if isinstance(value, datetime) else value


def _load(target: str) -> JobSchedule:
    return asyncio.run(_schedule(target, load(target, *_KINDS)))


async def _schedule(target: str, found: Any) -> JobSchedule:
    async with opened(target, found, *_KINDS) as service:
        return service if isinstance(service, JobSchedule) else cast("JobService[Any]", service).schedule


def _triggers(job: ScheduledJob, after: datetime) -> Iterator[tuple[datetime, ScheduledJob]]:
    while True:
        after = job.schedule.next_after(after)
        yield after, job
