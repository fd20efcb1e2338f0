"""Jobs of which the server has thrown away all but their place, as one does that is told to evict what it likes."""

from typing import Any

import pytest
from msgspec.structs import replace

from jobsvalkey import InconsistencyKind
from jobsvalkey.contract import Finish, Inconsistency, JobID, JobStatus, NewJob, new_job_id
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import HOUR, claims_of

OPTIONS: dict[str, dict[str, Any]] = {"plain": {}, "kept": {"keep_for": HOUR}, "laned": {"lane": "a"}}


async def job_in(driver: ValkeyJobQueue, status: JobStatus, options: dict[str, Any]) -> JobID:
    """A new job that was brought into a state."""
    job = NewJob(new_job_id(), b"{}", **options)
    await driver.push([replace(job, batch=job.job_id) if status is JobStatus.WAITING else job])
    if status is JobStatus.PAUSED:
        assert await driver.pause(job.job_id)
    elif status is JobStatus.CANCELLED:
        assert await driver.cancel(job.job_id)
    elif status in (JobStatus.PROCESSING, JobStatus.COMPLETED):
        (claim,) = await claims_of(driver, 1)
        if status is JobStatus.COMPLETED:
            await driver.exchange("worker", 2, [Finish(claim.job_id, claim.token)])
    return job.job_id


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.FAILED])
async def test_a_job_of_which_only_its_place_is_left_is_found(
    status: JobStatus, options: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """Neither its request nor its metadata lead `validate` to it; a failed job may be without a request."""
    job_id = await job_in(direct, status, OPTIONS[options])
    assert await direct.validate() == []
    await valkey_client.delete(f"{queue_key}/{job_id}", f"{queue_key}/{job_id}.metadata")
    assert await direct.status(job_id) is status
    assert await direct.validate() == [Inconsistency(InconsistencyKind.MISSING_PAYLOAD, job_id)]
