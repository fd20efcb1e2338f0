"""Results: jobs that are kept for those who wait for them."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    FINISHED,
    RETAIN,
    Capability,
    Claim,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    Release,
    Retention,
    RetentionPolicy,
    Retry,
    SettleOutcome,
    retain_for,
    retain_last,
)
from jobsvalkey_conformance.areas.retention import every_finished_state, policy, visible
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver, Hook

NOW = timedelta(0)


async def claimed(kit: SuiteContext, driver: AnyDriver, keep_for: timedelta | None) -> tuple[Worker, Claim]:
    """A new job that was pushed with `keep_for`, and is claimed."""
    job_id = await kit.push(driver, keep_for=keep_for)
    worker = await kit.worker(driver)
    claim = await worker.claim_one()
    assert claim.job_id == job_id
    return worker, claim


async def returned(kit: SuiteContext, driver: AnyDriver, keep_for: timedelta | None, result: bytes = b"1") -> JobID:
    """A new job that has ended with a result."""
    worker, claim = await claimed(kit, driver, keep_for)
    await worker.settle(Finish(claim.job_id, claim.token, result))
    return claim.job_id


class ResultTests(Suite):
    """`keep_for`, and `Finish(result=…)`."""

    @pytest.mark.parametrize("result", [b"", b"null", bytes(range(256)), b"x" * 100_000], ids=["empty", "1", "2", "3"])
    @conformance_test(Capability.RESULTS, Capability.INSPECTION)
    async def test_results_a_result_is_stored_with_the_job(self, kit: SuiteContext, result: bytes) -> None:
        """finish with a result: it is stored with the completed job, as it was given."""
        driver = await kit.driver()
        job_id = await returned(kit, driver, kit.unit, result)
        stored = await driver.get(job_id)
        assert stored is not None
        assert (stored.status, stored.result, stored.keep_for) == (JobStatus.COMPLETED, result, kit.unit)
        assert [job.result async for job in driver.jobs(JobStatus.COMPLETED)] == [result]

    @conformance_test(Capability.RESULTS, Capability.INSPECTION)
    async def test_results_a_job_without_one_has_none(self, kit: SuiteContext) -> None:
        """finish without a result: there is none, also if the job is kept."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver, kit.unit)
        await worker.finish(claim)
        stored = await driver.get(claim.job_id)
        assert stored is not None
        assert stored.result is None

    @conformance_test(Capability.RESULTS, Capability.INSPECTION)
    async def test_results_retention_keeps_results(self, kit: SuiteContext) -> None:
        """A job that the retention policy keeps has its result, with or without `keep_for`."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        stored = await driver.get(await returned(kit, driver, None, b"plain"))
        assert stored is not None
        assert (stored.result, stored.keep_for) == (b"plain", None)

    @conformance_test(Capability.RESULTS, Capability.INSPECTION)
    async def test_results_what_is_not_kept_is_not_stored(self, kit: SuiteContext) -> None:
        """A job without `keep_for` and retention is absent after its end, and so is its result."""
        driver = await kit.driver()
        job_id = await returned(kit, driver, None)
        assert await driver.get(job_id) is None
        assert await driver.validate() == []

    @every_finished_state
    @conformance_test(Capability.RESULTS, Capability.CLEANUP, Capability.INSPECTION, Capability.CANCEL)
    async def test_results_an_ended_job_is_kept_for_its_time(self, kit: SuiteContext, status: JobStatus) -> None:
        """`keep_for`: present for that long after the end, in whichever state, and absent from then on."""
        driver = await kit.driver(retention_policy=policy(DO_NOT_RETAIN))
        job_id = await kit.in_state(driver, status, keep_for=kit.unit * 2)
        await kit.advance(kit.unit)
        assert await visible(driver, status) == [job_id]
        await kit.advance(kit.unit)
        assert await visible(driver, status) == []
        assert await driver.get(job_id) is None
        assert await driver.rerun(job_id) is False
        assert await driver.remove(job_id) is False
        assert outcomes(await driver.push([kit.job(b"new", job_id=job_id)])) == [STORED]
        assert await driver.recover() == 0, "it trims what is over, which this one is not"
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert (claim.job_id, claim.request) == (job_id, b"new")
        await worker.finish(claim)
        assert await driver.get(job_id) is None, "nobody asked to keep this one"

    @pytest.mark.parametrize(
        ("retention", "units"),
        [
            (DO_NOT_RETAIN, 2),
            (retain_last(1), 2),
            ("shorter", 2),
            ("longer", 4),
            ("longer and a count", 4),
            (RETAIN, 1000),
        ],
        ids=str,
    )
    @conformance_test(Capability.RESULTS, Capability.INSPECTION)
    async def test_results_the_longer_time_counts(
        self, kit: SuiteContext, retention: Retention | str, units: int
    ) -> None:
        """Kept for the longer of `keep_for` and the policy's age, whatever its count; for ever if it has no limit."""
        kinds = {
            "shorter": retain_for(kit.unit),
            "longer": retain_for(kit.unit * 4),
            "longer and a count": Retention(kit.unit * 4, 1),
        }
        chosen = kinds[retention] if isinstance(retention, str) else retention
        driver = await kit.driver(retention_policy=policy(chosen))
        job_id = await returned(kit, driver, kit.unit * 2)
        for _ in range(2):
            await returned(kit, driver, None)  # these take the places that the count has
        for _ in range(min(units, 5) - 1):
            await kit.advance(kit.unit)
            assert await driver.status(job_id) is JobStatus.COMPLETED
        if units < 5:
            await kit.advance(kit.unit)
            assert await driver.status(job_id) is None

    @every_finished_state
    @conformance_test(Capability.RESULTS, driven_clock=True)
    async def test_results_the_policy_of_its_state_counts(self, kit: SuiteContext, status: JobStatus) -> None:
        """`keep_for`, or the age that the policy has for its own state, whatever it says of the other two."""
        policies = {
            1: (DO_NOT_RETAIN, RETAIN),
            3: (retain_for(kit.unit * 3), DO_NOT_RETAIN),
            9: (RETAIN, DO_NOT_RETAIN),
        }
        jobs: dict[int, tuple[AnyDriver, JobID]] = {}
        for units, (own, other) in policies.items():
            chosen = {f"{each}_jobs": own if each is status else other for each in FINISHED}
            driver = await kit.driver(
                queue_key=f"{kit.configuration.queue_key}.{units}", retention_policy=RetentionPolicy(**chosen)
            )
            jobs[units] = driver, await kit.in_state(driver, status, keep_for=kit.unit)
        for units in range(1, 6):
            await kit.advance(kit.unit)
            there = {each for each, (driver, job_id) in jobs.items() if (await driver.ended([job_id], NOW))[0]}
            assert there == {each for each in jobs if each > units}, f"{units} units after the end"

    @pytest.mark.parametrize("retention", [DO_NOT_RETAIN, retain_last(1), retain_for(timedelta(minutes=1))], ids=str)
    @conformance_test(Capability.RESULTS)
    async def test_results_a_failure_that_is_kept_stays(self, kit: SuiteContext, retention: Retention) -> None:
        """A failed job with `keep` stays, whatever its `keep_for` and the policy say."""
        driver = await kit.driver(retention_policy=policy(retention))
        worker, claim = await claimed(kit, driver, kit.unit)
        assert await worker.settle(Fail(claim.job_id, claim.token, b"error", keep=True)) == [SettleOutcome.SETTLED]
        for _ in range(3):
            await kit.advance(kit.unit)
            await returned(kit, driver, kit.unit)  # trims what has run out
        (job,) = await driver.ended([claim.job_id], timedelta(0))
        assert job is not None
        assert (job.status, job.error) == (JobStatus.FAILED, b"error")

    @conformance_test(Capability.RESULTS, Capability.INSPECTION)
    async def test_results_how_long_is_decided_at_the_end(self, kit: SuiteContext) -> None:
        """How long a job is kept is decided when it ends, by the policy of that moment: a later one changes nothing."""
        short = await kit.driver(retention_policy=policy(DO_NOT_RETAIN))
        long = await kit.driver(retention_policy=policy(retain_for(kit.unit * 3)))
        kept = {driver: await returned(kit, driver, kit.unit) for driver in (short, long)}
        for units, present in ((0, {short, long}), (1, {long}), (2, {long}), (3, set[AnyDriver]())):
            if units:
                await kit.advance(kit.unit)
            for driver in (short, long):
                seen = {asker for asker, job_id in kept.items() if await driver.status(job_id)}
                assert seen == present, f"{units} units after the end"

    @conformance_test(Capability.RESULTS, Capability.INSPECTION)
    async def test_results_kept_jobs_do_not_count(self, kit: SuiteContext) -> None:
        """A job with `keep_for` is outside the policy's count: it pushes out no other."""
        driver = await kit.driver(retention_policy=policy(retain_last(1)))
        plain = await returned(kit, driver, None)
        kept = {await returned(kit, driver, kit.unit) for _ in range(3)}
        assert set(await visible(driver, JobStatus.COMPLETED)) == {plain, *kept}

    @conformance_test(Capability.RESULTS, Capability.INSPECTION, driven_clock=True)
    async def test_results_what_has_run_out_does_not_fill_the_store(self, kit: SuiteContext) -> None:
        """Jobs whose time is over are trimmed by exchanges, and by `recover` if there are none."""
        driver = await kit.driver()
        worker = await kit.worker(driver, timedelta(days=1))

        async def round_of(number: int) -> None:
            await driver.push([kit.job(keep_for=kit.unit) for _ in range(number)])
            for claim in await worker.claim(number):
                await worker.settle(Finish(claim.job_id, claim.token, b"result"))

        async def left() -> int:
            if Hook.OBSERVE not in kit.harness.hooks:
                return 0
            return len((await kit.harness.observe(driver.configuration)).jobs)

        for _ in range(4):
            await round_of(30)
            await kit.advance(kit.unit * 2)
        assert await left() <= 60
        await driver.recover()
        assert await left() == 0
        assert (await driver.counts())[JobStatus.COMPLETED] == 0

    @conformance_test(Capability.RESULTS, Capability.CLEANUP, Capability.INSPECTION)
    async def test_results_rerun_clears_the_result(self, kit: SuiteContext) -> None:
        """rerun: the result is gone; `keep_for` stays, and counts from the next end."""
        driver = await kit.driver()
        job_id = await returned(kit, driver, kit.unit * 2, b"first")
        await kit.advance(kit.unit)
        assert await driver.rerun(job_id)
        stored = await driver.get(job_id)
        assert stored is not None
        assert (stored.status, stored.result, stored.keep_for) == (JobStatus.PENDING, None, kit.unit * 2)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await kit.advance(kit.unit * 2)
        await worker.finish(claim)
        await kit.advance(kit.unit)
        stored = await driver.get(job_id)
        assert stored is not None
        assert (stored.status, stored.result) == (JobStatus.COMPLETED, None)

    @pytest.mark.parametrize("by", ["step", "remove"])
    @every_finished_state
    @conformance_test(Capability.RESULTS, Capability.CLEANUP, Capability.INSPECTION)
    async def test_results_explicit_cleanup_removes(self, kit: SuiteContext, status: JobStatus, by: str) -> None:
        """remove and cleanup: absent, `keep_for` or not."""
        driver = await kit.driver()
        job_id = await kit.in_state(driver, status, keep_for=kit.unit)
        if by == "remove":
            assert await driver.remove(job_id)
        else:
            assert await driver.cleanup_step(status, JobCleanup("remove"), max_jobs=10) == 1
        assert await driver.get(job_id) is None
        assert await driver.validate() == []

    @pytest.mark.parametrize("status", list(JobStatus))
    @conformance_test(Capability.RESULTS, Capability.CLEANUP, Capability.INSPECTION, Capability.RESUME)
    async def test_results_a_job_is_as_any_other(self, kit: SuiteContext, status: JobStatus) -> None:
        """A job with `keep_for` is found, counted, listed and cleaned up in each state, as others are."""
        driver = await kit.driver()
        job_id = await kit.in_state(driver, status, keep_for=kit.unit * 10)
        assert await visible(driver, status) == [job_id]
        stored = await driver.get(job_id)
        assert stored is not None
        assert stored.keep_for == kit.unit * 10
        assert await driver.validate() == []
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [DUPLICATE]
        if status in FINISHED or status is JobStatus.PROCESSING:
            assert await driver.cleanup_step(status, JobCleanup("rerun"), max_jobs=10) == 1
            assert await visible(driver, JobStatus.PENDING) == [job_id]
            assert await kit.claimed(driver) == [job_id]
        else:
            assert await driver.cancel(job_id)
            assert await visible(driver, JobStatus.CANCELLED) == [job_id]

    @conformance_test(Capability.RESULTS)
    async def test_results_the_order_is_one(self, kit: SuiteContext) -> None:
        """Jobs with and without `keep_for` are claimed in one order: by due time, then by id."""
        driver = await kit.driver()
        start = kit.now() - kit.unit
        jobs = [
            kit.job(due=start + kit.unit * part / 20, keep_for=kit.unit if part % 3 else None)
            for part in (5, 3, 9, 1, 7, 2, 8, 2, 9, 1)
        ]
        await driver.push(jobs)
        await kit.push(driver, due=kit.unit, keep_for=kit.unit)
        expected = sorted(jobs, key=lambda job: (job.due, job.job_id))
        worker = await kit.worker(driver)
        for first in (0, 4, 8):
            exchanged = await worker.exchange(limit=4)
            assert [claim.job_id for claim in exchanged.claims] == [job.job_id for job in expected[first : first + 4]]
            assert [claim.keep_for for claim in exchanged.claims] == [
                job.keep_for for job in expected[first : first + 4]
            ]
            due_now = first + 4 < len(jobs)
            assert (exchanged.until_next == 0) is due_now

    @pytest.mark.parametrize("how", ["retry", "release", "close", "recovery"])
    @conformance_test(Capability.RESULTS, Capability.INSPECTION)
    async def test_results_keep_for_outlives_a_run(self, kit: SuiteContext, how: str) -> None:
        """retry, release, closing and recovery: the next run has the same `keep_for`, and its result is kept."""
        driver = await kit.driver()
        job_id = await kit.push(driver, due=kit.now() - kit.unit, keep_for=kit.unit * 5)
        worker = await kit.worker(driver, kit.unit)
        claim = await worker.claim_one()
        if how == "retry":
            await worker.settle(Retry(job_id, claim.token, error=b"error"))
        elif how == "release":
            await worker.settle(Release(job_id, claim.token))
        elif how == "close":
            await driver.close_worker(worker.id)
        else:
            await kit.advance(kit.unit)
            assert await driver.recover() == 1
        second = await kit.worker(driver)
        claim = await second.claim_one()
        assert (claim.job_id, claim.keep_for) == (job_id, kit.unit * 5)
        await second.settle(Finish(job_id, claim.token, b"result"))
        stored = await driver.get(job_id)
        assert stored is not None
        assert stored.result == b"result"

    @conformance_test(Capability.RESULTS)
    async def test_results_a_repeat_is_answered_alike(self, kit: SuiteContext) -> None:
        """A repeated exchange returns its claims with their `keep_for`."""
        driver = await kit.driver()
        await kit.push(driver, keep_for=kit.unit)
        worker = await kit.worker(driver)
        first = await worker.exchange(limit=1)
        again = await driver.exchange(worker.id, worker.sequence, [], 1)
        assert again.claims == first.claims
        assert first.claims[0].keep_for == kit.unit

    @conformance_test(Capability.RESULTS, Capability.SCHEDULING, Capability.INSPECTION)
    async def test_results_of_a_conditional_push(self, kit: SuiteContext) -> None:
        """push_if stores `keep_for` as push does."""
        driver = await kit.driver()
        job = kit.job(keep_for=kit.unit)
        await driver.push_if(job, "key", None, b"1")
        stored = await driver.get(job.job_id)
        assert stored is not None
        assert stored.keep_for == kit.unit

    @conformance_test(Capability.RESULTS)
    async def test_results_ids_are_remembered_from_the_end_of_their_time(self, kit: SuiteContext) -> None:
        """An id that a user gave is remembered for `idempotency_window` from when its job became absent."""
        driver = await kit.driver(idempotency_window=kit.unit * 2)
        job = kit.job(remember=True, keep_for=kit.unit * 2)
        await driver.push([job])
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        await kit.advance(kit.unit * 3)
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [STORED]

    @pytest.mark.parametrize("keep_for", [timedelta(0), timedelta(seconds=-1), timedelta(days=40_000)], ids=str)
    @conformance_test(Capability.RESULTS)
    async def test_results_a_time_that_is_none(self, kit: SuiteContext, keep_for: timedelta) -> None:
        """`keep_for` is a time above zero, up to 36,500 days; else a `ValueError`, and nothing is stored."""
        driver = await kit.driver()
        with pytest.raises(ValueError, match="keep_for"):
            await driver.push([kit.job(keep_for=keep_for)])
        assert await kit.claimed(driver) == []
