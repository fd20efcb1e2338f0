"""`jobsvalkey schedule`."""

import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from jobsvalkey.cli.commands import schedule as schedule_command
from jobsvalkey.scheduling import Schedule
from jobsvalkey_memory import ManualClock
from tests.unit.cli.shell import Shell

MODULE = """
from dataclasses import dataclass
from typing import ClassVar
from valkey.asyncio import Valkey
from jobsvalkey.scheduling import Accuracy, Day, JobSchedule, Schedule
from jobsvalkey.service import JobService
from jobsvalkey.valkey import ValkeyJobQueue

@dataclass
class Clean:
    job_name: ClassVar[str] = "Clean"

service = JobService(ValkeyJobQueue(Valkey()))
service.add_scheduled_job(Clean(), Schedule.weekly(Day.SUNDAY, hour=4, time_zone="Europe/Berlin"), id="weekly")
service.add_scheduled_job(Clean(), Schedule.hourly(minute=30), id="hourly", accuracy=Accuracy.ALL)
alone = JobSchedule()
often = JobSchedule()
for minutes in (20, 30):
    often.add_job(Clean(), Schedule.crontab(f"*/{minutes} * * * *", time_zone="Europe/Berlin"), id=str(minutes))
def make():
    return service
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder, which has a service, a schedule and a function."""
    name = f"scheduled_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))  # the command puts the current folder there
    return name


async def test_lists_schedules_in_words(shell: Shell, module: str) -> None:
    listed = await shell("schedule", "list", f"{module}:service", queue=False)
    assert listed.code == 0
    weekly, hourly = listed.out.splitlines()[1:]
    assert "At 04:00 on Sunday (Europe/Berlin)" in weekly
    assert "04:00:00 CE" in weekly
    assert "all" in hourly
    rows = (await shell("schedule", "list", f"{module}:make", "--json", queue=False)).json
    assert [(row["id"], row["job"], row["accuracy"]) for row in rows] == [
        ("weekly", "Clean", "latest"),
        ("hourly", "Clean", "all"),
    ]


async def test_shows_what_fires_next_in_order(shell: Shell, module: str) -> None:
    rows = (await shell("schedule", "next", f"{module}:service", "--count", "200", "--json", queue=False)).json
    times = [datetime.fromisoformat(row["at"]) for row in rows]
    assert len(times) == 200
    assert all(earlier <= later for earlier, later in pairwise(times))
    hourly = [datetime.fromisoformat(row["at"]) for row in rows if row["id"] == "hourly"]
    assert all(Schedule.hourly(minute=30).next_after(earlier) == later for earlier, later in pairwise(hourly))
    assert [row["id"] for row in rows].count("weekly") >= 1
    shown = await shell("schedule", "next", f"{module}:service", queue=False)
    assert len(shown.out.splitlines()) == 11


async def test_the_order_is_right_where_the_clock_shows_an_hour_twice(
    shell: Shell, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2025, 10, 25, 23, 55, tzinfo=UTC)
    monkeypatch.setattr(schedule_command, "SystemClock", lambda: ManualClock(now))
    rows = (await shell("schedule", "next", f"{module}:often", "--count", "14", "--json", queue=False)).json
    times = [datetime.fromisoformat(row["at"]) for row in rows]
    assert len({at.utcoffset() for at in times}) == 2
    assert times == sorted(times)  # read from text, each has an offset of its own


async def test_nothing_is_scheduled(shell: Shell, module: str) -> None:
    for command in ("list", "next"):
        assert (await shell("schedule", command, f"{module}:alone", queue=False)).out == "nothing is scheduled\n"
    assert (await shell("schedule", "next", f"{module}:alone", "--json", queue=False)).json == []


async def test_refuses_what_has_no_schedule(shell: Shell, module: str) -> None:
    refused = await shell("schedule", "list", f"{module}:Clean", queue=False)
    refused.assert_refused(2, f"{module}:Clean is a Clean", "a JobService or a JobSchedule")
