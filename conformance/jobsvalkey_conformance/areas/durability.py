"""Demands that a push makes on the store: that replicas, or a disk, have its jobs."""

import asyncio
import time
from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    Capability,
    ConfigurationError,
    Durability,
    NewJob,
    NotDurable,
    Pushed,
    StoreOutcome,
    new_job_id,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver

MOMENT = timedelta(milliseconds=20)
IMPOSSIBLE = Durability(replicas=1000, timeout=MOMENT)
"""More replicas than any store has."""


class DurabilityTests(Suite):
    """A push is done before its demand is looked at; whoever demands more than there is, is told."""

    @conformance_test(Capability.DURABILITY)
    async def test_durability_is_yes_or_no(self, kit: SuiteContext) -> None:
        """A driver that states DURABILITY says whether the store writes what it acknowledges to disk."""
        driver = await kit.driver()
        assert await driver.is_durable() in (True, False)

    @conformance_test(Capability.DURABILITY)
    async def test_durability_a_demand_that_is_not_met_is_told_after_the_push(self, kit: SuiteContext) -> None:
        """A push that demands replicas is done, and says so if too few have the job. Again, it stores nothing."""
        driver = await kit.driver()
        job = NewJob(new_job_id(), b"{}", remember=True, durability=IMPOSSIBLE)
        for expected in (STORED, DUPLICATE):
            answer = await _pushed(driver, job)
            if kit.harness.counts_replicas:
                assert isinstance(answer, NotDurable), "no store has a thousand replicas"
                assert answer.job_ids == (job.job_id,)
                assert 0 <= answer.replicas < IMPOSSIBLE.replicas
            else:
                assert _is_met_or_refused(answer, expected)
        assert await kit.claimed(driver) == ([] if isinstance(answer, ConfigurationError) else [job.job_id])

    @conformance_test(Capability.DURABILITY)
    async def test_durability_each_caller_is_told_of_its_own_jobs(self, kit: SuiteContext) -> None:
        """`NotDurable` names the jobs of its push, though pushes that come at once may be one step."""
        driver = await kit.driver()
        jobs = [NewJob(new_job_id(), b"{}", durability=IMPOSSIBLE) for _ in range(20)]
        answers = await asyncio.gather(*(_pushed(driver, job) for job in jobs))
        for job, answer in zip(jobs, answers, strict=True):
            if kit.harness.counts_replicas:
                assert isinstance(answer, NotDurable)
                assert answer.job_ids == (job.job_id,)
            else:
                assert _is_met_or_refused(answer)

    @pytest.mark.parametrize("order", [1, -1])
    @conformance_test(Capability.DURABILITY)
    async def test_durability_the_strongest_demand_of_a_push(self, kit: SuiteContext, order: int) -> None:
        """The jobs of one step meet the strongest of their demands, and the longest of their times, in any order."""
        driver = await kit.driver()
        longer = Durability(replicas=1, timeout=MOMENT * 6)
        demands = [None, longer, IMPOSSIBLE]
        jobs = [NewJob(new_job_id(), b"{}", durability=demand) for demand in demands[::order]]
        began = time.monotonic()
        answer = await _pushed(driver, *jobs)
        if isinstance(answer, NotDurable):
            assert set(answer.job_ids) >= {job.job_id for job in jobs if job.durability}
            assert time.monotonic() - began >= longer.timeout.total_seconds()
            assert sorted(await kit.claimed(driver)) == sorted(job.job_id for job in jobs)
        else:
            assert not kit.harness.counts_replicas, "no store has a thousand replicas"
            assert isinstance(answer, ConfigurationError) or outcomes(answer) == [STORED] * 3

    @conformance_test(Capability.DURABILITY)
    async def test_durability_a_disk_that_cannot_be_told_of(self, kit: SuiteContext) -> None:
        """If the store can never tell whether its disk has a job, a push that demands it stores nothing."""
        driver = await kit.driver()
        job = NewJob(new_job_id(), b"{}", durability=Durability(append_only_file=True, timeout=MOMENT))
        for expected in (STORED, DUPLICATE):  # the second one may go over a connection that the first one has left
            answer = await _pushed(driver, job)
            assert isinstance(answer, NotDurable) or _is_met_or_refused(answer, expected)
        assert await kit.claimed(driver) == ([] if isinstance(answer, ConfigurationError) else [job.job_id])

    @conformance_test(Capability.DURABILITY, Capability.SCHEDULING, Capability.METADATA)
    async def test_durability_of_a_push_that_depends(self, kit: SuiteContext) -> None:
        """A demand is made on what a conditional push has done: one that has done nothing meets it."""
        driver = await kit.driver()
        await driver.set_metadata("key", b"0")
        job = NewJob(new_job_id(), b"{}", durability=IMPOSSIBLE)
        try:
            assert (await driver.push_if(job, "key", b"1", b"2")).outcome is StoreOutcome.UNEXPECTED
        except ConfigurationError:
            return  # the store can never tell
        for expected, outcome in ((b"0", STORED), (b"2", DUPLICATE)):
            if kit.harness.counts_replicas:
                with pytest.raises(NotDurable) as told:
                    await driver.push_if(job, "key", expected, b"2")
                assert told.value.job_ids == (job.job_id,)
            else:
                assert (await driver.push_if(job, "key", expected, b"2")).outcome is outcome
        assert await driver.get_metadata("key") == b"2"
        assert await kit.claimed(driver) == [job.job_id]


async def _pushed(driver: AnyDriver, *jobs: NewJob) -> list[Pushed] | NotDurable | ConfigurationError:
    try:
        return await driver.push(jobs)
    except (NotDurable, ConfigurationError) as error:
        return error


def _is_met_or_refused(answer: list[Pushed] | NotDurable | ConfigurationError, expected: StoreOutcome = STORED) -> bool:
    """Whether the store takes demands as met, or says that it cannot tell."""
    return isinstance(answer, ConfigurationError) or (isinstance(answer, list) and outcomes(answer) == [expected])
