"""Retention: what is kept of the jobs that have ended."""

import random
from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    RETAIN,
    Capability,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    NewJob,
    QueueDriver,
    Retention,
    RetentionPolicy,
    SettleOutcome,
    StoreOutcome,
    retain_for,
    retain_last,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver

FINISHED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
every_finished_state: pytest.MarkDecorator = pytest.mark.parametrize("status", FINISHED)


def policy(retention: Retention) -> RetentionPolicy:
    """The same for all states."""
    return RetentionPolicy(completed_jobs=retention, failed_jobs=retention, cancelled_jobs=retention)


async def visible(driver: AnyDriver, status: JobStatus) -> list[JobID]:
    """Return what every read lists in a state; they must agree."""
    ids = [stored.job_id async for stored in driver.jobs(status)]
    assert (await driver.counts())[status] == len(ids)
    for job_id in ids:
        assert await driver.status(job_id) is status
    return ids


class RetentionTests(Suite):
    """A job beyond its retention is absent to every read and operation, trimmed or not."""

    @every_finished_state
    @conformance_test(Capability.INSPECTION)
    async def test_retention_the_default_keeps_failed_jobs_only(self, kit: SuiteContext, status: JobStatus) -> None:
        """By default failed jobs are retained, completed and cancelled ones are not."""
        driver = await kit.driver()
        job_id = await kit.in_state(driver, status)
        assert await driver.status(job_id) is (JobStatus.FAILED if status is JobStatus.FAILED else None)

    @every_finished_state
    @conformance_test(Capability.INSPECTION)
    async def test_retention_retain_last(self, kit: SuiteContext, status: JobStatus) -> None:
        """`retain_last(n)`: a job of rank ≥ n, by end time, is absent."""
        driver = await kit.driver(retention_policy=policy(retain_last(2)))
        ids: list[JobID] = []
        for _ in range(4):
            ids.append(await kit.in_state(driver, status))
            await kit.advance(timedelta(milliseconds=5))
            assert await visible(driver, status) == ids[-2:][::-1]
        for job_id in ids[:2]:
            assert await driver.get(job_id) is None

    @conformance_test(Capability.INSPECTION)
    async def test_retention_as_many_as_the_harness_says(self, kit: SuiteContext) -> None:
        """`retain_last(n)`: the n that ended last are there, and at most as many more as the harness admits to."""
        driver = await kit.driver(retention_policy=policy(retain_last(5)), counts_roughly=True)
        spare, ids = kit.harness.spare_jobs, list[JobID]()
        worker = await kit.worker(driver)
        for _ in range(3):
            ids += await kit.push_many(driver, 5 + spare)
            await worker.finish(*await worker.claim(5 + spare))
            await kit.advance(timedelta(milliseconds=5))
            shown = {job.job_id async for job in driver.jobs(JobStatus.COMPLETED)}
            assert shown >= set(ids[-5:])
            assert len(shown) <= 5 + spare
            assert (await driver.counts())[JobStatus.COMPLETED] == len(shown)

    @conformance_test(Capability.INSPECTION, driven_clock=True)
    async def test_retention_equal_ends_by_id(self, kit: SuiteContext) -> None:
        """Rank is by end time, then id: of those that end together, the highest ids are kept."""
        driver = await kit.driver(retention_policy=policy(retain_last(3)))
        ids = await kit.push_many(driver, 6)
        worker = await kit.worker(driver)
        claims = await worker.claim(6)
        random.Random(3).shuffle(claims)
        await worker.finish(*claims)
        assert await visible(driver, JobStatus.COMPLETED) == ids[3:][::-1]

    @every_finished_state
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_retention_retain_for(self, kit: SuiteContext, status: JobStatus) -> None:
        """`retain_for`: a job older than that, by its end, is absent to every read and operation."""
        driver = await kit.driver(retention_policy=policy(retain_for(kit.unit * 2)))
        old = await kit.in_state(driver, status)
        await kit.advance(kit.unit)
        young = await kit.in_state(driver, status)
        assert await visible(driver, status) == [young, old]
        await kit.advance(kit.unit)
        assert await visible(driver, status) == [young]
        assert await driver.get(old) is None
        assert await driver.rerun(old) is False
        assert await driver.remove(old) is False
        assert outcomes(await driver.push([kit.job(b"new", job_id=old, due=kit.unit)])) == [STORED]
        await kit.in_state(driver, status)  # its end trims what is over, which the new one is not
        await kit.advance(kit.unit)
        claim = await (await kit.worker(driver)).claim_one()
        assert (claim.job_id, claim.request) == (old, b"new")

    @conformance_test(Capability.INSPECTION, driven_clock=True)
    async def test_retention_the_age_to_the_smallest_step_of_time(self, kit: SuiteContext) -> None:
        """A job is present while its age is below `retain_for`, and absent from then on."""
        driver = await kit.driver(retention_policy=policy(retain_for(kit.unit)))
        await kit.advance(kit.unit / 7)
        job_id = await kit.in_state(driver, JobStatus.FAILED)
        precision = kit.harness.time_precision
        await kit.advance(kit.unit - precision * 2)
        assert await driver.status(job_id) is JobStatus.FAILED
        await kit.advance(precision * 4)
        assert await driver.status(job_id) is None
        assert (await driver.counts())[JobStatus.FAILED] == 0

    @conformance_test(Capability.INSPECTION)
    async def test_retention_the_age_counts_from_the_end(self, kit: SuiteContext) -> None:
        """`retain_for` counts from the end, however long the job waited and ran before."""
        driver = await kit.driver(retention_policy=policy(retain_for(kit.unit * 2)))
        job_id = await kit.push(driver)
        await kit.advance(kit.unit * 2)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await kit.advance(kit.unit * 2)
        await worker.finish(claim)
        await kit.advance(kit.unit)
        assert await visible(driver, JobStatus.COMPLETED) == [job_id]
        await kit.advance(kit.unit)
        assert await visible(driver, JobStatus.COMPLETED) == []

    @conformance_test(Capability.INSPECTION)
    async def test_retention_each_state_has_its_own(self, kit: SuiteContext) -> None:
        """The policy is by state: what ends in one does not push out what ended in another."""
        driver = await kit.driver(retention_policy=RetentionPolicy(completed_jobs=retain_last(1), failed_jobs=RETAIN))
        failed = [await kit.in_state(driver, JobStatus.FAILED) for _ in range(3)]
        completed = [await kit.in_state(driver, JobStatus.COMPLETED) for _ in range(3)]
        assert await visible(driver, JobStatus.COMPLETED) == completed[-1:]
        assert sorted(await visible(driver, JobStatus.FAILED)) == failed

    @conformance_test(Capability.INSPECTION)
    async def test_retention_what_was_kept_is_trimmed_by_no_count(self, kit: SuiteContext) -> None:
        """fail with `keep` keeps a job whatever the retention policy."""
        driver = await kit.driver(retention_policy=policy(retain_last(1)))
        worker = await kit.worker(driver)
        kept = await kit.push(driver)
        claim = await worker.claim_one()
        await worker.settle(Fail(kept, claim.token, b"error", keep=True))
        for _ in range(3):
            await kit.advance(timedelta(milliseconds=5))
            await kit.in_state(driver, JobStatus.FAILED)
        stored = await driver.get(kept)
        assert stored is not None
        assert (stored.status, stored.error) == (JobStatus.FAILED, b"error")
        assert kept in await visible(driver, JobStatus.FAILED)

    @conformance_test(Capability.CLEANUP)
    async def test_retention_what_was_kept_is_kept_once(self, kit: SuiteContext) -> None:
        """A kept job that is rerun and fails again without `keep` goes by the retention policy."""
        driver = await kit.driver(retention_policy=policy(DO_NOT_RETAIN))
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        for keep in (True, False):
            claim = await worker.claim_one()
            await worker.settle(Fail(job_id, claim.token, b"error", keep=keep))
            assert await driver.rerun(job_id) is keep
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]

    @conformance_test()
    async def test_retention_ids_of_the_user_are_remembered_from_the_end_of_retention(self, kit: SuiteContext) -> None:
        """An id that the user gave is remembered for `idempotency_window` after its job became absent by its age."""
        driver = await kit.driver(retention_policy=policy(retain_for(kit.unit * 2)), idempotency_window=kit.unit * 2)
        job = kit.job(remember=True)
        await driver.push([job])
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        for _ in range(3):
            assert outcomes(await driver.push([job])) == [DUPLICATE]
            await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [STORED]

    @pytest.mark.parametrize("late", [0, 1])
    @pytest.mark.parametrize("meanwhile", ["nothing", "an end"])
    @conformance_test()
    async def test_retention_the_window_is_over_whether_or_not_anybody_looked(
        self, kit: SuiteContext, meanwhile: str, late: int
    ) -> None:
        """If retention by age made a job absent, the window began at that moment, whatever ended or looked later."""
        driver = await kit.driver(retention_policy=policy(retain_for(kit.unit * 2)), idempotency_window=kit.unit * 2)
        job = kit.job(remember=True)
        await driver.push([job])
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        await kit.advance(kit.unit * 3)
        if meanwhile == "an end":  # it may trim what is too old
            await kit.push(driver)
            await worker.finish(await worker.claim_one())
        await kit.advance(kit.unit * (1 + late))
        assert outcomes(await driver.push([job])) == [STORED]

    @pytest.mark.parametrize("way", ["remove", "cleanup"])
    @conformance_test(Capability.CLEANUP)
    async def test_retention_the_window_of_a_job_beyond_the_policy(self, kit: SuiteContext, way: str) -> None:
        """A job that is kept becomes absent when it is removed, whatever the policy's age: the window begins then."""
        driver = await kit.driver(retention_policy=policy(retain_for(kit.unit)), idempotency_window=kit.unit * 2)
        job = kit.job(remember=True)
        await driver.push([job])
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert await worker.settle(Fail(job.job_id, claim.token, b"error", keep=True)) == [SettleOutcome.SETTLED]
        await kit.advance(kit.unit * 4)
        if way == "remove":
            assert await driver.remove(job.job_id) is True
        else:
            assert await driver.cleanup_step(JobStatus.FAILED, JobCleanup.remove(), max_jobs=5) == 1
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [STORED]

    @pytest.mark.parametrize("max_age", [None, 3, 1000], ids=["count", "count before age", "count long before age"])
    @conformance_test()
    async def test_retention_ids_of_the_user_are_remembered_when_others_push_them_out(
        self, kit: SuiteContext, max_age: int | None
    ) -> None:
        """An id that the user gave is remembered for `idempotency_window` after its job became absent by its rank."""
        retention = Retention(None if max_age is None else kit.unit * max_age, 1)
        driver = await kit.driver(retention_policy=policy(retention), idempotency_window=kit.unit)
        job = kit.job(remember=True)
        await driver.push([job])
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        await kit.advance(kit.unit)
        await kit.push(driver)
        await worker.finish(await worker.claim_one())
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [STORED]

    @pytest.mark.parametrize(
        "retention",
        [retain_last(7), retain_for(timedelta(seconds=40)), Retention(timedelta(seconds=30), 5), retain_last(1)],
        ids=["count", "age", "both", "one"],
    )
    @conformance_test(Capability.INSPECTION, driven_clock=True)
    async def test_retention_many_ends_as_in_the_twin(self, kit: SuiteContext, retention: Retention) -> None:
        """The twin is the specification: after the same ends the same jobs are there, in the same order."""
        kept = policy(retention)
        driver, twin = await kit.driver(retention_policy=kept), await kit.twin(retention_policy=kept)
        sides = [(driver, await kit.worker(driver)), (twin, await kit.worker(twin))]
        chance = random.Random(5)
        for _ in range(12):
            jobs = [kit.job() for _ in range(chance.randrange(1, 6))]
            seed = chance.random()
            for side, worker in sides:
                await end_some(side, worker, jobs, random.Random(seed))
            await kit.advance(timedelta(seconds=chance.randrange(10)))
            for status in FINISHED:
                assert await visible(driver, status) == await visible(twin, status)

    @every_finished_state
    @pytest.mark.parametrize("how", ["pending", "processing", "keep_for"])
    @conformance_test(Capability.FLOWS)
    async def test_retention_of_a_parent(self, kit: SuiteContext, status: JobStatus, how: str) -> None:
        """A parent is kept when it ends, by the policy in each of the three states, or else by `keep_for`."""
        kept = {f"{each}_jobs": DO_NOT_RETAIN if each is status else retain_last(9) for each in FINISHED}
        driver = await kit.driver(retention_policy=RetentionPolicy(**kept))
        if how == "keep_for":
            kit.needs(Capability.RESULTS)
        parent = await kit.push(driver, keep_for=kit.unit if how == "keep_for" else None)
        if how == "processing":
            await kit.claimed(driver)
        child = kit.job(after=[parent])
        assert outcomes(await driver.push([child])) == [STORED if how == "keep_for" else StoreOutcome.REFUSED]
        # Of a parent in the same push nothing has to be kept.
        assert outcomes(await driver.push([new := kit.job(), kit.job(after=[new.job_id])])) == [STORED] * 2


async def end_some(driver: QueueDriver, worker: Worker, jobs: list[NewJob], chance: random.Random) -> None:
    """Push jobs, claim as many, and end them one way or the other."""
    await driver.push(jobs)
    claims = await worker.claim(len(jobs))
    await worker.settle(
        *(
            Finish(claim.job_id, claim.token)
            if chance.random() < 0.6
            else Fail(claim.job_id, claim.token, b"error", keep=chance.random() < 0.2)
            for claim in claims
        )
    )
