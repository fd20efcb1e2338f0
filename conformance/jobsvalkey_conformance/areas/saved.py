"""The progress and the state that a job has between its reports and its end."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    FINISHED,
    AbortOutcome,
    Cancel,
    Capability,
    Claim,
    Fail,
    Finish,
    JobCleanup,
    JobStatus,
    Release,
    Report,
)
from jobsvalkey_conformance.areas.reports import (
    SETTLED,
    WAYS,
    claimed,
    give_up,
    next_claim,
    progress_of,
    report,
    reported,
)
from jobsvalkey_conformance.areas.retention import every_finished_state, visible
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver


class SavedTests(Suite):
    """Reports stay with the job through its runs, and go with its end."""

    @pytest.mark.parametrize("way", WAYS)
    @conformance_test(Capability.REPORTS)
    async def test_saved_state_comes_back(self, kit: SuiteContext, way: str) -> None:
        """report of a state: the next claim has it, after retry, sleep, release, closing and recovery, each time."""
        driver = await kit.driver()
        worker, claim = await reported(kit, driver, state=b"first")
        for expected in (b"first", bytes(range(256)), b""):
            await give_up(kit, driver, worker, claim, way)
            worker, claim = await next_claim(kit, driver)
            assert claim.state == expected
            following = {b"first": bytes(range(256)), bytes(range(256)): b""}.get(expected)
            if following is not None:
                await report(worker, claim, state=following)
        await worker.finish(claim)

    @pytest.mark.parametrize("way", WAYS)
    @conformance_test(Capability.REPORTS, Capability.INSPECTION)
    async def test_saved_progress_stays_with_the_job(self, kit: SuiteContext, way: str) -> None:
        """A progress is shown until another one is reported, also while the job waits for its next run."""
        driver = await kit.driver()
        worker, claim = await reported(kit, driver)
        await give_up(kit, driver, worker, claim, way)
        assert await progress_of(driver, claim) == b"half"
        assert [job.progress async for job in driver.jobs(JobStatus.PENDING)] == [b"half"]
        worker, claim = await next_claim(kit, driver)
        assert await progress_of(driver, claim) == b"half"

    @pytest.mark.parametrize("at_once", [False, True])
    @pytest.mark.parametrize("how", ["finish", "fail", "keep", "cancel"])
    @conformance_test(Capability.REPORTS, Capability.INSPECTION, Capability.CLEANUP)
    async def test_saved_an_end_clears_them(self, kit: SuiteContext, how: str, at_once: bool) -> None:
        """finish, fail and cancel: the job that is kept has no progress, and its next run no state."""
        if how == "cancel":
            kit.needs(Capability.ABORT)
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        worker, claim = await (claimed if at_once else reported)(kit, driver)
        identity = claim.job_id, claim.token
        settlement = {
            "finish": Finish(*identity),
            "fail": Fail(*identity, b"error"),
            "keep": Fail(*identity, b"error", keep=True),
            "cancel": Cancel(*identity, b"reason"),
        }[how]
        answer = await worker.exchange(settlement, reports=[Report(*identity, b"2", b"b")] if at_once else [])
        assert (answer.reported, answer.outcomes) == ([SETTLED] * at_once, [SETTLED])
        stored = await driver.get(claim.job_id)
        assert stored is not None
        assert (stored.status in FINISHED, stored.progress) == (True, None)
        assert await driver.rerun(claim.job_id)
        assert await progress_of(driver, claim) is None
        assert (await next_claim(kit, driver))[1].state is None
        assert await driver.validate() == []

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED])
    @pytest.mark.parametrize("how", ["cancel", "abort"])
    @conformance_test(Capability.REPORTS, Capability.INSPECTION, Capability.CLEANUP, Capability.RESUME)
    async def test_saved_a_cancellation_clears_them(self, kit: SuiteContext, how: str, status: JobStatus) -> None:
        """cancel and abort of a job between two runs: the same."""
        kit.needs(Capability.CANCEL if how == "cancel" else Capability.ABORT)
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        worker, claim = await reported(kit, driver)
        await give_up(kit, driver, worker, claim, "release")
        if status is JobStatus.PAUSED:
            assert await driver.pause(claim.job_id)
        assert await progress_of(driver, claim) == b"half"
        if how == "cancel":
            assert await driver.cancel(claim.job_id)
        else:
            assert await driver.abort(claim.job_id) is AbortOutcome.CANCELLED
        assert await progress_of(driver, claim) is None
        assert await driver.rerun(claim.job_id)
        assert (await next_claim(kit, driver))[1].state is None

    @conformance_test(Capability.REPORTS, Capability.INSPECTION, Capability.CLEANUP)
    async def test_saved_a_rerun_clears_them(self, kit: SuiteContext) -> None:
        """cleanup that reruns what runs: the job starts over, without progress and state."""
        driver = await kit.driver()
        _, claim = await reported(kit, driver)
        assert await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup("rerun"), max_jobs=10) == 1
        assert await progress_of(driver, claim) is None
        assert (await next_claim(kit, driver))[1].state is None

    @pytest.mark.parametrize("how", ["finish", "remove", "cleanup", "cancel"])
    @conformance_test(Capability.REPORTS, Capability.INSPECTION)
    async def test_saved_nothing_is_left_of_an_absent_job(self, kit: SuiteContext, how: str) -> None:
        """A job that was removed, or is not kept, and is pushed again, has no progress and no state."""
        driver = await kit.driver()
        worker, claim = await reported(kit, driver)
        if how == "finish":
            await worker.finish(claim)
        elif how == "cleanup":
            kit.needs(Capability.CLEANUP)
            assert await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup("remove"), max_jobs=10) == 1
        else:
            kit.needs(Capability.CLEANUP if how == "remove" else Capability.CANCEL)
            await give_up(kit, driver, worker, claim, "release")
            assert await (driver.remove if how == "remove" else driver.cancel)(claim.job_id)
        assert await driver.get(claim.job_id) is None
        await driver.push([kit.job(job_id=claim.job_id)])
        assert await progress_of(driver, claim) is None
        assert (await next_claim(kit, driver))[1].state is None
        assert await driver.validate() == []

    @conformance_test(Capability.REPORTS)
    async def test_saved_states_count_for_the_size_of_an_answer(self, kit: SuiteContext) -> None:
        """One exchange claims requests and states of `max_atomic_push_bytes`, at least one job; the rest stays."""
        driver = await kit.driver(max_payload=100, max_atomic_push_bytes=250)
        worker = await kit.worker(driver)
        await kit.push_many(driver, 5)
        held = await worker.claim(5)
        answer = await worker.exchange(
            *(Release(claim.job_id, claim.token) for claim in held),
            reports=[Report(claim.job_id, claim.token, None, b"x" * 100) for claim in held],
        )
        assert answer.reported == [SETTLED] * 5
        answer = await worker.exchange(limit=5)
        assert [(claim.job_id, claim.state) for claim in answer.claims] == [
            (claim.job_id, b"x" * 100) for claim in held[:2]
        ]
        assert answer.until_next == 0

    @conformance_test(Capability.REPORTS, Capability.ABORT, Capability.INSPECTION)
    async def test_saved_before_an_abort(self, kit: SuiteContext) -> None:
        """A claim that has reported can be asked to end, as any other."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        worker, claim = await reported(kit, driver)
        assert await driver.abort(claim.job_id) is AbortOutcome.REQUESTED
        assert (await worker.exchange()).aborts == {claim.token}
        await give_up(kit, driver, worker, claim, "release")
        stored = await driver.get(claim.job_id)
        assert stored is not None
        assert (stored.status, stored.progress) == (JobStatus.CANCELLED, None)

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED, JobStatus.PROCESSING])
    @conformance_test(Capability.REPORTS, Capability.CLEANUP, Capability.INSPECTION, Capability.RESUME)
    async def test_saved_a_job_is_as_any_other(self, kit: SuiteContext, status: JobStatus) -> None:
        """A job that has reported is found, counted, listed, paused, resumed and removed as others are."""
        driver = await kit.driver()
        worker, claim = await reported(kit, driver)
        await give_up(kit, driver, worker, claim, "release")
        if status is JobStatus.PAUSED:
            assert await driver.pause(claim.job_id)
        elif status is JobStatus.PROCESSING:
            worker, claim = await next_claim(kit, driver)
        assert await visible(driver, status) == [claim.job_id]
        assert await driver.validate() == []
        if status is JobStatus.PAUSED:
            assert await driver.resume(claim.job_id)
            assert (await next_claim(kit, driver))[1].state == b"state"
        assert await driver.cleanup_step(await self._state(driver, claim), JobCleanup("remove"), max_jobs=10) == 1
        assert set((await driver.counts()).values()) == {0}

    @staticmethod
    async def _state(driver: AnyDriver, claim: Claim) -> JobStatus:
        status = await driver.status(claim.job_id)
        assert status is not None
        return status

    @every_finished_state
    @conformance_test(Capability.REPORTS, Capability.RESULTS, Capability.INSPECTION, Capability.CLEANUP)
    async def test_saved_beside_keep_for(self, kit: SuiteContext, status: JobStatus) -> None:
        """A job with `keep_for` keeps that, and what it returned; what it reported goes with its end."""
        driver = await kit.driver()
        job_id = await kit.push(driver, keep_for=kit.unit * 3)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await report(worker, claim, b"half", b"state")
        await give_up(kit, driver, worker, claim, "retry")
        worker, claim = await next_claim(kit, driver)
        assert (claim.job_id, claim.keep_for, claim.state) == (job_id, kit.unit * 3, b"state")
        if status is JobStatus.CANCELLED:
            kit.needs(Capability.CANCEL)
            await give_up(kit, driver, worker, claim, "release")
            assert await driver.cancel(job_id)
        else:
            is_failed = status is JobStatus.FAILED
            settlement = Fail(job_id, claim.token, b"no") if is_failed else Finish(job_id, claim.token, b"result")
            assert await worker.settle(settlement) == [SETTLED]
        stored = await driver.get(job_id)
        assert stored is not None
        assert (stored.status, stored.keep_for, stored.progress) == (status, kit.unit * 3, None)
        assert stored.result == (b"result" if status is JobStatus.COMPLETED else None)
        assert await driver.rerun(job_id)
        assert (await next_claim(kit, driver))[1].state is None

    @conformance_test(Capability.REPORTS)
    async def test_saved_the_order_is_one(self, kit: SuiteContext) -> None:
        """Jobs that have reported wait in one order with the others: by due time, then by id."""
        driver = await kit.driver()
        start = kit.now() - kit.unit
        jobs = [kit.job(due=start + kit.unit * part / 20) for part in (5, 3, 9, 1, 7, 2, 8, 2, 9, 1)]
        await driver.push(jobs)
        worker = await kit.worker(driver)
        held = await worker.claim(10)
        answer = await worker.exchange(
            *(Release(claim.job_id, claim.token) for claim in held),
            reports=[Report(claim.job_id, claim.token, None, b"a") for claim in held[::3]],
        )
        assert answer.reported == [SETTLED] * 4
        again = await worker.claim(10)
        assert [claim.job_id for claim in again] == [claim.job_id for claim in held]
        assert [claim.state for claim in again] == [None if number % 3 else b"a" for number in range(10)]

    @conformance_test(Capability.REPORTS)
    async def test_saved_of_an_id_that_a_user_gave(self, kit: SuiteContext) -> None:
        """A job with an id that a user gave reports as any other, and its id is remembered after its end."""
        driver = await kit.driver(idempotency_window=timedelta(hours=1))
        job = kit.job(remember=True)
        await driver.push([job])
        worker, claim = await next_claim(kit, driver)
        await report(worker, claim, b"1", b"a")
        await give_up(kit, driver, worker, claim, "retry")
        worker, claim = await next_claim(kit, driver)
        assert claim.state == b"a"
        await worker.finish(claim)
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        assert await kit.claimed(driver) == []
