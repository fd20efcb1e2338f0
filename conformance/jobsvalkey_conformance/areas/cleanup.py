"""Rerunning, removing, and cleaning up by state and age."""

from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import (
    FINISHED,
    Capability,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    SettleOutcome,
    new_job_id,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STATES, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver

every_finished_state: pytest.MarkDecorator = pytest.mark.parametrize("status", sorted(FINISHED))
HAVE_NOT_RUN = (JobStatus.PENDING, JobStatus.PAUSED, JobStatus.WAITING)
removable: list[JobStatus] = [status for status in JobStatus if status is not JobStatus.PROCESSING]


def of(cleanup: JobCleanup, *states: JobStatus) -> dict[str, Any]:
    """The arguments of a cleanup that does the same to the jobs of some states."""
    return {f"{status}_jobs": cleanup for status in states}


async def listed(driver: AnyDriver, status: JobStatus) -> list[JobID]:
    """The ids in a state, as they are listed."""
    return [stored.job_id async for stored in driver.jobs(status)]


class CleanupTests(Suite):
    """`rerun`, `remove` and `cleanup`."""

    @every_finished_state
    @conformance_test(Capability.CLEANUP)
    async def test_cleanup_a_rerun_job_starts_afresh(self, kit: SuiteContext, status: JobStatus) -> None:
        """rerun: finished → pending, due now, error cleared, `recoveries` 0, `reset_attempt` set."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        stored_at = kit.now()
        job_id = await kit.in_state(driver, status)
        await kit.advance(kit.unit)
        assert await driver.rerun(job_id) is True
        claim = await (await kit.worker(driver)).claim_one()
        assert claim.job_id == job_id
        assert claim.request is not None
        assert kit.same_time(claim.due, kit.now())
        assert kit.same_time(claim.stored_at, stored_at)
        assert (claim.recoveries, claim.reset_attempt, claim.error) == (0, True, None)

    @pytest.mark.parametrize("way", ["rerun", "cleanup"])
    @conformance_test(Capability.CLEANUP)
    async def test_cleanup_a_rerun_forgets_recoveries(self, kit: SuiteContext, way: str) -> None:
        """rerun: `recoveries` 0; by a cleanup too."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver)
        dead = await kit.worker(driver, kit.unit)
        await dead.claim_one()
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert claim.recoveries == 1
        await worker.settle(Fail(job_id, claim.token, b"error"))
        if way == "rerun":
            assert await driver.rerun(job_id)
        else:
            assert await driver.cleanup_step(JobStatus.FAILED, JobCleanup.RERUN, max_jobs=10) == 1
        assert (await worker.claim_one()).recoveries == 0

    @pytest.mark.parametrize("status", [status for status in JobStatus if status not in FINISHED])
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_only_what_has_ended_is_rerun(self, kit: SuiteContext, status: JobStatus) -> None:
        """rerun otherwise is `False`, and nothing changes."""
        driver = await kit.driver()
        job_id = await kit.in_state(driver, status)
        before = await driver.get(job_id)
        assert await driver.rerun(job_id) is False
        assert before is not None
        assert await driver.get(job_id) == before

    @pytest.mark.parametrize("status", removable)
    @conformance_test(Capability.CLEANUP)
    async def test_cleanup_a_removed_job_is_gone(self, kit: SuiteContext, status: JobStatus) -> None:
        """remove: all but processing → absent."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, status)
        assert await driver.remove(job_id) is True
        assert await driver.remove(job_id) is False
        assert await kit.claimed(driver) == []
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]

    @conformance_test(Capability.CLEANUP)
    async def test_cleanup_a_running_job_is_not_removed(self, kit: SuiteContext) -> None:
        """remove of a processing job is `False`, and nothing changes."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert await driver.remove(job_id) is False
        await worker.finish(claim)

    @conformance_test(Capability.CLEANUP)
    async def test_cleanup_a_job_that_is_not_there(self, kit: SuiteContext) -> None:
        """rerun and remove of an absent job are `False`."""
        driver = await kit.driver()
        assert await driver.rerun(new_job_id()) is False
        assert await driver.remove(new_job_id()) is False
        assert await kit.claimed(driver) == []

    @pytest.mark.parametrize("way", ["remove", "cleanup"])
    @conformance_test(Capability.CLEANUP)
    async def test_cleanup_an_id_of_the_user_is_remembered(self, kit: SuiteContext, way: str) -> None:
        """An id that the user gave is remembered after its job became absent, by a removal too."""
        driver = await kit.driver(retention_policy=RETAIN_ALL, idempotency_window=kit.unit)
        job_id = await kit.in_state(driver, JobStatus.COMPLETED, remember=True)
        if way == "remove":
            assert await driver.remove(job_id)
        else:
            cleaned = await driver.cleanup(completed_jobs=JobCleanup.remove())
            assert cleaned[JobStatus.COMPLETED] == 1
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]

    @conformance_test(Capability.CLEANUP)
    async def test_cleanup_pending_and_paused_jobs_are_not_rerun(self, kit: SuiteContext) -> None:
        """`RERUN` of pending or paused is a `ValueError`."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        for status in (JobStatus.PENDING, JobStatus.PAUSED):
            with pytest.raises(ValueError, match=status):
                await driver.cleanup(**of(JobCleanup.RERUN, status))
        for status in HAVE_NOT_RUN:
            with pytest.raises(ValueError, match=status):
                await driver.cleanup_step(status, JobCleanup.RERUN, max_jobs=10)
        assert await kit.claimed(driver) == [job_id]

    @pytest.mark.parametrize("status", STATES)
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_a_cleanup_is_for_the_states_named(self, kit: SuiteContext, status: JobStatus) -> None:
        """cleanup: the states named → absent; the others are left alone, and each state is counted."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await kit.one_in_each_state(driver)
        before = await driver.counts()
        assert before == {each: int(each in STATES) for each in JobStatus}
        cleaned = await driver.cleanup(**of(JobCleanup.remove(), status))
        assert cleaned == {each: int(each is status) for each in JobStatus}
        assert await driver.counts() == {each: int(each in STATES and each is not status) for each in JobStatus}

    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_nothing_is_the_default(self, kit: SuiteContext) -> None:
        """A cleanup without any state changes nothing."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await kit.one_in_each_state(driver)
        assert await driver.cleanup() == dict.fromkeys(JobStatus, 0)
        assert await driver.counts() == {each: int(each in STATES) for each in JobStatus}

    @every_finished_state
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_a_rerun_by_state(self, kit: SuiteContext, status: JobStatus) -> None:
        """cleanup: the states named → as `rerun`."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ids = [await kit.in_state(driver, status) for _ in range(3)]
        cleaned = await driver.cleanup(**of(JobCleanup.RERUN, status))
        assert cleaned[status] == 3
        claims = await (await kit.worker(driver)).claim(5)
        assert sorted(claim.job_id for claim in claims) == ids
        assert all(claim.reset_attempt and claim.error is None for claim in claims)

    @every_finished_state
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_the_age_of_what_has_ended_counts_from_its_end(
        self, kit: SuiteContext, status: JobStatus
    ) -> None:
        """`max_age` of a cleanup counts from the end, not from when the job was stored."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        queued = None if status is JobStatus.CANCELLED else await kit.push(driver)
        await kit.advance(kit.unit)
        worker = await kit.worker(driver)
        if queued is None:
            old = await kit.in_state(driver, status)
        else:
            claim = await worker.claim_one()
            await kit.advance(kit.unit)
            settled = (
                Finish(queued, claim.token) if status is JobStatus.COMPLETED else Fail(queued, claim.token, b"error")
            )
            assert await worker.settle(settled) == [SettleOutcome.SETTLED]
            old = queued
        await kit.advance(kit.unit)
        young = await kit.in_state(driver, status)
        parameters = of(JobCleanup.remove(max_age=kit.unit * 1.5), status)
        assert (await driver.cleanup(**parameters))[status] == 0
        await kit.advance(kit.unit / 2)
        assert (await driver.cleanup(**parameters))[status] == 1
        assert await listed(driver, status) == [young]
        assert await driver.status(old) is None

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED])
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_the_age_of_what_waits_counts_from_when_it_was_stored(
        self, kit: SuiteContext, status: JobStatus
    ) -> None:
        """For pending and paused jobs `max_age` counts from the time stored, whenever they are due."""
        driver = await kit.driver()
        if status is JobStatus.PAUSED:
            kit.needs(Capability.RESUME)
        ids: list[JobID] = []
        for due in (kit.now() + kit.unit * 9, kit.now() - kit.unit * 9):
            ids.append(await kit.push(driver, due=due))
            if status is JobStatus.PAUSED:
                await driver.pause(ids[-1])
            await kit.advance(kit.unit)
        old, young = ids
        cleaned = await driver.cleanup(**of(JobCleanup.remove(max_age=kit.unit * 2), status))
        assert cleaned[status] == 1
        assert await listed(driver, status) == [young]
        assert await driver.status(old) is None

    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_the_age_of_what_runs_counts_from_its_claim(self, kit: SuiteContext) -> None:
        """For processing jobs `max_age` counts from the claim."""
        driver = await kit.driver()
        one, other = await kit.push_many(driver, 2)
        await kit.advance(kit.unit)
        worker = await kit.worker(driver)
        await worker.claim_one()
        await kit.advance(kit.unit)
        late = await worker.claim_one()
        cleaned = await driver.cleanup(processing_jobs=JobCleanup.remove(max_age=kit.unit))
        assert cleaned[JobStatus.PROCESSING] == 1
        assert await driver.status(one) is None
        assert await driver.status(other) is JobStatus.PROCESSING
        await worker.finish(late)

    @pytest.mark.parametrize("action", [JobCleanup.remove(), JobCleanup.RERUN], ids=["remove", "rerun"])
    @conformance_test(Capability.CLEANUP)
    async def test_cleanup_cleaning_what_runs_revokes_the_claims(self, kit: SuiteContext, action: JobCleanup) -> None:
        """cleanup of processing jobs revokes the claims in the same step: renewals miss them, settles are lost."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert await driver.cleanup_step(JobStatus.PROCESSING, action, max_jobs=10) == 1
        assert (await driver.renew(worker.id, kit.unit)).tokens == frozenset()
        assert await worker.settle(Finish(job_id, claim.token)) == [SettleOutcome.CLAIM_LOST]
        if action is JobCleanup.RERUN:
            again = await worker.claim_one()
            assert (again.job_id, again.reset_attempt) == (job_id, True)
            await worker.finish(again)
        assert await kit.claimed(driver) == []
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]

    @conformance_test(Capability.CLEANUP)
    async def test_cleanup_only_orphans(self, kit: SuiteContext) -> None:
        """`only_orphans=True` leaves live workers alone."""
        driver = await kit.driver()
        orphan, running = await kit.push_many(driver, 2)
        dead, live = await kit.worker(driver, kit.unit), await kit.worker(driver)
        assert (await dead.claim_one()).job_id == orphan
        claim = await live.claim_one()
        step = (JobStatus.PROCESSING, JobCleanup.remove())
        assert await driver.cleanup_step(*step, max_jobs=10, only_orphans=True) == 0
        await kit.advance(kit.unit)
        assert await driver.cleanup_step(*step, max_jobs=10, only_orphans=True) == 1
        assert claim.job_id == running
        await live.finish(claim)
        assert await driver.recover() == 0
        assert outcomes(await driver.push([kit.job(job_id=orphan)])) == [STORED]

    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_a_step_is_bounded_and_takes_the_oldest(self, kit: SuiteContext) -> None:
        """cleanup goes in chunks, each one bounded and atomic, the oldest first; what is left stays in place."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ids: list[JobID] = []
        for _ in range(5):
            ids.append(await kit.in_state(driver, JobStatus.COMPLETED))
            await kit.advance(timedelta(milliseconds=5))
        for done in (2, 4):
            assert await driver.cleanup_step(JobStatus.COMPLETED, JobCleanup.remove(), max_jobs=2) == 2
            assert await listed(driver, JobStatus.COMPLETED) == ids[done:][::-1]
        assert await driver.cleanup_step(JobStatus.COMPLETED, JobCleanup.remove(), max_jobs=2) == 1
        assert await driver.cleanup_step(JobStatus.COMPLETED, JobCleanup.remove(), max_jobs=2) == 0

    @pytest.mark.parametrize("is_paused", [False, True])
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_what_waits_goes_by_due_time(self, kit: SuiteContext, is_paused: bool) -> None:
        """Of pending and paused jobs, a cleanup takes first what is due first, whichever was stored first."""
        if is_paused:
            kit.needs(Capability.RESUME)
        driver = await kit.driver()
        late = await kit.push(driver, due=timedelta(hours=2))
        await kit.advance(kit.unit)
        soon = await kit.push(driver, due=timedelta(hours=1))
        for job_id in (late, soon):
            assert not is_paused or await driver.pause(job_id)
        status = JobStatus.PAUSED if is_paused else JobStatus.PENDING
        assert await driver.cleanup_step(status, JobCleanup.remove(), max_jobs=1) == 1
        assert await listed(driver, status) == [late]

    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_what_is_too_young_is_not_touched(self, kit: SuiteContext) -> None:
        """A cleanup takes nothing out to look at it: jobs that are too young stay where they are, as they are."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await kit.one_in_each_state(driver)
        before = {status: [stored async for stored in driver.jobs(status)] for status in JobStatus}
        old_enough = JobCleanup.remove(max_age=timedelta(days=1))
        cleaned = await driver.cleanup(**of(old_enough, *STATES))
        assert cleaned == dict.fromkeys(JobStatus, 0)
        assert {status: [stored async for stored in driver.jobs(status)] for status in JobStatus} == before

    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_many_jobs_are_cleaned_in_chunks(self, kit: SuiteContext) -> None:
        """cleanup goes on, chunk by chunk, until all that was there is done."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await kit.push_many(driver, 600)
        worker = await kit.worker(driver)
        await worker.finish(*await worker.claim(600))
        cleaned = await driver.cleanup(completed_jobs=JobCleanup.remove())
        assert cleaned[JobStatus.COMPLETED] == 600
        assert await driver.counts() == dict.fromkeys(JobStatus, 0)

    @pytest.mark.parametrize("action", ["remove", "rerun"])
    @pytest.mark.parametrize("status", JobStatus)
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION, Capability.CANCEL, Capability.RESUME)
    async def test_cleanup_one_job_is_passed_over(self, kit: SuiteContext, status: JobStatus, action: str) -> None:
        """cleanup_step: the job `except_for` stays as it is, and its claim is held; the others of its state do not."""
        cleanup = JobCleanup.remove() if action == "remove" else JobCleanup.RERUN
        if action == "rerun" and status in HAVE_NOT_RUN:
            return  # refused, as another test says
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        first, spared, last = [await kit.in_state(driver, status) for _ in range(3)]
        before = await driver.get(spared)
        for _ in range(2):
            await driver.cleanup_step(status, cleanup, max_jobs=2, except_for=spared)
        assert await driver.get(spared) == before
        moved = {None, JobStatus.PENDING} if action == "rerun" else {None}
        assert {await driver.status(first), await driver.status(last)} <= moved

    @pytest.mark.parametrize("action", ["remove", "rerun"])
    @pytest.mark.parametrize("status", JobStatus)
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION, Capability.CANCEL, Capability.RESUME)
    async def test_cleanup_what_came_later_is_passed_over(
        self, kit: SuiteContext, status: JobStatus, action: str
    ) -> None:
        """cleanup_step: with `as_of`, only jobs whose age counts from that time or earlier."""
        cleanup = JobCleanup.remove() if action == "remove" else JobCleanup.RERUN
        if action == "rerun" and status in HAVE_NOT_RUN:
            return  # refused, as another test says
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        first = await driver.get(await kit.in_state(driver, status))
        assert first is not None
        since = first.ended_at or first.claimed_at or first.stored_at
        await kit.advance(kit.unit)
        later = await kit.in_state(driver, status)
        before = await driver.get(later)
        assert await driver.cleanup_step(status, cleanup, max_jobs=2, as_of=since - kit.unit) == 0
        assert await driver.cleanup_step(status, cleanup, max_jobs=2, as_of=since) == 1
        assert await driver.get(later) == before

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED])
    @conformance_test(Capability.CLEANUP, Capability.RESUME)
    async def test_cleanup_what_waits_is_as_old_as_it_is_stored(self, kit: SuiteContext, status: JobStatus) -> None:
        """With `as_of`, and with an age, a waiting job counts from when it was stored, whenever it is due."""
        driver = await kit.driver()
        old, now = await kit.push(driver, due=kit.unit * 9), kit.now()
        await kit.advance(kit.unit * 2)
        new = await kit.push(driver, due=now - kit.unit * 9)
        for job_id in (old, new) if status is JobStatus.PAUSED else ():
            assert await driver.pause(job_id)
        by_age = JobCleanup("remove", kit.unit)
        steps = ((JobCleanup.remove(), kit.now() - kit.unit), (by_age, kit.now()), (by_age, None))
        for number, (cleanup, as_of) in enumerate(steps):
            assert await driver.cleanup_step(status, cleanup, max_jobs=9, as_of=as_of) == (not number)
        assert await driver.cleanup_step(status, JobCleanup.remove(), max_jobs=9) == 1

    @conformance_test(Capability.CLEANUP)
    async def test_cleanup_cleanup_of_orphans(self, kit: SuiteContext) -> None:
        """`cleanup_orphaned_jobs` is the contract's `recover`, until nothing or `max_jobs` is left."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, 5)
        dead = await kit.worker(driver, kit.unit)
        await dead.claim(5)
        assert await driver.cleanup_orphaned_jobs() == 0
        await kit.advance(kit.unit)
        assert await driver.cleanup_orphaned_jobs(max_jobs=2) == 2
        assert await driver.cleanup_orphaned_jobs() == 3
        assert sorted(await kit.claimed(driver)) == ids
