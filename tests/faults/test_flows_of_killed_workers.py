"""Flows and batches whose workers die half way: each job ends once, in its order, and a callback runs once."""

import itertools
from datetime import timedelta

import pytest

from jobsvalkey import BatchCounts, JobID, new_job_id
from jobsvalkey.contract import Claim, Fail, Finish, JobStatus, NewJob
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import HOUR

LAYERS = 5


class Workers:
    """Workers, of which each third dies with what it has claimed."""

    def __init__(self, driver: ValkeyJobQueue) -> None:
        self.driver = driver
        self.ended: list[Claim] = []
        self._numbers = itertools.count()

    async def work(self, *, failing: bool = False) -> None:
        """Work until nothing is left to claim."""
        for number in self._numbers:
            worker = f"worker {number}"
            await self.driver.recover()
            await self.driver.open_worker(worker, HOUR)
            claims = (await self.driver.exchange(worker, 1, (), 7)).claims
            claims_it_ends = claims[:2] if number % 3 == 0 else claims
            kind = [Fail(each.job_id, each.token, b"error") for each in claims_it_ends[:1] if failing]
            rest = claims_it_ends[len(kind) :]
            settlements = [*kind, *(Finish(each.job_id, each.token, str(each.job_id).encode()) for each in rest)]
            if settlements:
                await self.driver.exchange(worker, 2, settlements)
            self.ended += claims_it_ends
            if len(claims_it_ends) < len(claims):
                await self.driver.renew(worker, timedelta(0))
            else:
                await self.driver.close_worker(worker)
                if not claims:
                    return


async def flow_of(driver: ValkeyJobQueue, layers: int, width: int) -> list[NewJob]:
    jobs, before = list[NewJob](), tuple[JobID, ...]()
    for _ in range(layers):
        layer = [NewJob(new_job_id(), b"request", after=before, keep_for=HOUR) for _ in range(width)]
        jobs, before = [*jobs, *layer], tuple(job.job_id for job in layer)
    await driver.push(jobs)
    return jobs


@pytest.mark.parametrize(("layers", "width"), [(LAYERS, 10), pytest.param(10, 100, marks=pytest.mark.slow)])
async def test_a_flow_ends_in_its_order(driver: ValkeyJobQueue, layers: int, width: int) -> None:
    jobs = await flow_of(driver, layers, width)
    workers = Workers(driver)
    await workers.work()
    order = [claim.job_id for claim in workers.ended]
    assert sorted(order) == sorted(job.job_id for job in jobs)
    places = {job_id: place for place, job_id in enumerate(order)}
    assert all(places[parent] < places[job.job_id] for job in jobs for parent in job.after)
    for claim in workers.ended:
        assert [(told.job_id, told.result) for told in claim.inputs] == [
            (parent, str(parent).encode()) for parent in claim.after
        ]
    assert (await driver.counts())[JobStatus.COMPLETED] == layers * width
    assert await driver.validate() == []


async def test_a_batch_fires_once_after_reruns(driver: ValkeyJobQueue) -> None:
    callback = NewJob(batch := new_job_id(), b"request", batch=batch, keep_for=HOUR)
    members = [NewJob(new_job_id(), b"request", batch=batch, keep_for=HOUR) for _ in range(50)]
    await driver.push([callback, *members])
    workers = Workers(driver)
    await workers.work(failing=True)
    failed = [job.job_id async for job in driver.jobs(JobStatus.FAILED)]
    assert failed
    assert await driver.status(batch) is JobStatus.WAITING
    for job_id in failed[1:]:
        assert await driver.rerun(job_id)
    assert await driver.close_batch(batch)
    await workers.work()
    fired = [claim for claim in workers.ended if claim.job_id == batch]
    assert [claim.members for claim in fired] == [BatchCounts(completed=49, failed=1)]
    assert await driver.validate() == []
