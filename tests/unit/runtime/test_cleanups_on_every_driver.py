"""Cleanups beside others who go on, over every driver."""

import pytest

from jobsvalkey import JobStatus
from jobsvalkey.contract import JobCleanup
from tests.support.drivers import new_job
from tests.support.every_driver import COMPLETE_DRIVERS, Store


@pytest.mark.parametrize("store", COMPLETE_DRIVERS, indirect=True)
async def test_a_cleanup_takes_no_more_jobs_than_there_were_when_it_began(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = (await store.queue()).driver
    await driver.push([new_job() for _ in range(2)])
    counts = driver.counts

    async def counts_before_others_push() -> dict[JobStatus, int]:
        found = await counts()
        await driver.push([new_job() for _ in range(3)])
        return found

    monkeypatch.setattr(driver, "counts", counts_before_others_push)
    assert (await driver.cleanup(pending_jobs=JobCleanup.remove()))[JobStatus.PENDING] == 2
    assert (await counts())[JobStatus.PENDING] == 3
