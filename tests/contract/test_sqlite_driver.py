"""What the suite does not ask of the example of "Write your own driver"."""

import sqlite3
from functools import partial
from pathlib import Path

import pytest

from docs.drivers.sqlite_driver import SQLiteJobQueue
from jobsvalkey.contract import NewJob, Operation, StoreUnavailable, new_job_id
from tests.support.pushes import STORED, outcomes


async def test_a_file_that_is_locked_at_first_is_opened_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))
    async with SQLiteJobQueue(tmp_path) as driver:
        job = NewJob(new_job_id(), b"{}")
        other = sqlite3.connect(tmp_path / f"{driver.configuration.queue_key}.sqlite", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await driver.push([job])
        other.close()
        assert outcomes(await driver.push([job])) == [STORED]


async def test_a_repeat_may_bring_its_jobs_in_another_sequence(tmp_path: Path) -> None:
    async with SQLiteJobQueue(tmp_path) as driver:
        job, operation = NewJob(new_job_id(), b"{}"), Operation("producer", 1)
        assert outcomes(await driver.push([job], operation=operation)) == [STORED]
        assert outcomes(await driver.push((job,), operation=operation)) == [STORED]
