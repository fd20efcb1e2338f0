"""Many batches at once, whose members fail and are run anew, and whose workers die: each callback runs exactly once."""

import itertools
from datetime import timedelta
from random import Random

import pytest

from jobsvalkey import BatchCounts, JobID, new_job_id
from jobsvalkey.contract import Claim, Fail, Finish, JobStatus, NewJob
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import HOUR

BAD, RERUN = 6, 3
"""How many members of each batch fail, and how many of those are run anew."""


async def run_all(driver: ValkeyJobQueue, names: "itertools.count[int]", failing: set[JobID]) -> list[Claim]:
    """Run what is due, each job that is `failing` once without success; each third worker dies half way."""
    ended = list[Claim]()
    for number in names:
        worker = f"worker {number}"
        await driver.recover()
        await driver.open_worker(worker, HOUR)
        claims = (await driver.exchange(worker, 1, (), 300)).claims
        dies = number % 3 == 0 and len(claims) > 1
        kept = claims[: len(claims) // 2] if dies else claims
        await driver.exchange(
            worker,
            2,
            [
                Fail(each.job_id, each.token, b"error") if each.job_id in failing else Finish(each.job_id, each.token)
                for each in kept
            ],
        )
        failing.difference_update(each.job_id for each in kept)
        ended += kept
        if dies:
            await driver.renew(worker, timedelta(0))
        else:
            await driver.close_worker(worker)
            if not claims:
                break
    return ended


@pytest.mark.parametrize(
    ("batches", "size"), [(5, 12), pytest.param(100, 1000, marks=[pytest.mark.night, pytest.mark.timeout(900)])]
)
async def test_each_callback_runs_once_with_the_right_counts(driver: ValkeyJobQueue, batches: int, size: int) -> None:
    chance, names = Random(batches), itertools.count()
    callbacks, bad = [new_job_id() for _ in range(batches)], dict[JobID, list[JobID]]()
    for batch in callbacks:
        members = [NewJob(new_job_id(), b"x", batch=batch) for _ in range(size)]
        await driver.push([NewJob(batch, b"x", batch=batch)])
        await driver.push(members)
        bad[batch] = chance.sample([job.job_id for job in members], BAD)
    for batch in callbacks[::3]:
        assert await driver.close_batch(batch)
    failing = {job_id for batch in callbacks[1::3] + callbacks[2::3] for job_id in bad[batch]}
    ended = await run_all(driver, names, failing)
    assert {claim.job_id for claim in ended if claim.members} == set(callbacks[::3])
    for batch in callbacks[1::3] + callbacks[2::3]:
        for job_id in bad[batch][:RERUN]:
            assert await driver.rerun(job_id)
    for batch in callbacks[1::3]:  # while those that are run anew hold it
        assert await driver.close_batch(batch)
        assert await driver.status(batch) is JobStatus.WAITING
    ended += await run_all(driver, names, failing)
    for batch in callbacks[2::3]:  # when they have ended
        assert await driver.close_batch(batch)
    ended += await run_all(driver, names, failing)
    for batch in callbacks[1::3]:  # when it has run: this changes nothing any more
        assert await driver.rerun(bad[batch][0])
    ended += await run_all(driver, names, failing)
    fired = [(claim.job_id, claim.members) for claim in ended if claim.members]
    assert sorted(job_id for job_id, _ in fired) == sorted(callbacks)
    counts = BatchCounts(completed=size - BAD + RERUN, failed=BAD - RERUN)
    assert dict(fired) == dict.fromkeys(callbacks, counts) | dict.fromkeys(callbacks[::3], BatchCounts(completed=size))
    assert await driver.validate() == []
