"""A second time: what is left from before, and what a repeat shows of a job with any feature."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    AbortOutcome,
    Capability,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    LaneLimit,
    NewJob,
    Operation,
    Release,
    Report,
    SettleOutcome,
    StoreOutcome,
    Unique,
    new_job_id,
    retain_last,
)
from jobsvalkey_conformance.areas.retention import policy
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver

HOUR = timedelta(hours=1)


async def push_if(driver: AnyDriver, job_id: JobID, operation: Operation) -> StoreOutcome:
    """Push a job if the key has the value that it is given later."""
    return (await driver.push_if(NewJob(job_id, b"{}"), "key", b"1", b"2", operation=operation)).outcome


KINDS = {
    "plain": Capability.QUEUE,
    "lane": Capability.LANES,
    "priority": Capability.LANES,
    "both": Capability.LANES,
    "limited": Capability.LANES,
    "kept": Capability.RESULTS,
    "unique": Capability.UNIQUE,
    "expiring": Capability.EXPIRY,
    "reported": Capability.REPORTS,
    "child": Capability.FLOWS,
    "callback": Capability.FLOWS,
}
"""Kinds of jobs, with the capability that each needs."""

Step = Callable[[AnyDriver, JobID, Operation], Awaitable[object]]
NOES: dict[str, tuple[Sequence[Capability], object, Step]] = {
    "cancel": ([Capability.CANCEL], False, lambda d, j, o: d.cancel(j, operation=o)),
    "abort": ([Capability.ABORT], AbortOutcome.NOTHING, lambda d, j, o: d.abort(j, operation=o)),
    "pause": ([Capability.RESUME], False, lambda d, j, o: d.pause(j, operation=o)),
    "resume": ([Capability.RESUME], False, lambda d, j, o: d.resume(j, operation=o)),
    "rerun": ([Capability.CLEANUP], False, lambda d, j, o: d.rerun(j, operation=o)),
    "remove": ([Capability.CLEANUP], False, lambda d, j, o: d.remove(j, operation=o)),
    "cleanup": (
        [Capability.CLEANUP],
        0,
        lambda d, j, o: d.cleanup_step(JobStatus.FAILED, JobCleanup.remove(), max_jobs=9, operation=o),
    ),
    "close_batch": ([Capability.FLOWS], False, lambda d, j, o: d.close_batch(j, operation=o)),
    "acquire_lock": ([Capability.METADATA], False, lambda d, j, o: d.acquire_lock("key", b"mine", HOUR, operation=o)),
    "release_lock": ([Capability.METADATA], False, lambda d, j, o: d.release_lock("key", b"holder", operation=o)),
    "push_if": ([Capability.SCHEDULING, Capability.METADATA], StoreOutcome.UNEXPECTED, push_if),
}
"""Steps of a job that is not there, or of a key that is not as expected, what each needs, and its answer."""


class AgainTests(Suite):
    """A step that was done once is done, and one that is asked for twice is answered in the same way."""

    @pytest.mark.parametrize("has_a_past", [False, True])
    @pytest.mark.parametrize("kind", KINDS)
    @conformance_test()
    async def test_again_a_repeat_returns_the_whole_claim(
        self, kit: SuiteContext, kind: str, *, has_a_past: bool
    ) -> None:
        """A repeat of the last exchange returns its claims as they were: with all that a job has been pushed with."""
        kit.needs(KINDS[kind])
        driver = await kit.driver()
        if kind == "limited":
            await driver.set_lane_limit("a", LaneLimit(9, (99, kit.unit)))
        worker = await kit.worker(driver)
        job, others = self._job(kit, kind)
        await driver.push([*others, job])
        if kind == "callback":
            assert await driver.close_batch(job.job_id)
        if others:
            claims = await worker.claim(9)
            await worker.settle(*(Finish(claim.job_id, claim.token, b"result") for claim in claims))
        if has_a_past or kind == "reported":
            claim = await worker.claim_one()
            reports = [Report(claim.job_id, claim.token, b"half", b"state")] if kind == "reported" else []
            answer = await worker.exchange(Release(claim.job_id, claim.token), reports=reports)
            assert answer.outcomes == [SettleOutcome.SETTLED]
            await kit.advance(timedelta(milliseconds=1))
        answer = await worker.exchange(limit=9)
        assert [claim.job_id for claim in answer.claims] == [job.job_id]
        for _ in range(2):
            repeat = await driver.exchange(worker.id, worker.sequence, (), 9)
            assert (repeat.claims, repeat.outcomes) == (answer.claims, answer.outcomes)

    @staticmethod
    def _job(kit: SuiteContext, kind: str) -> tuple[NewJob, list[NewJob]]:
        """One of that kind, and what comes before it."""
        if kind in ("lane", "limited"):
            return kit.job(lane="a"), []
        if kind == "child":
            parents = [kit.job(keep_for=HOUR) for _ in range(2)]
            return kit.job(after=[parent.job_id for parent in parents]), parents
        if kind == "callback":
            job_id = new_job_id()
            return kit.job(job_id=job_id, batch=job_id), []
        return {
            "plain": kit.job(remember=True),
            "priority": kit.job(priority=-3),
            "both": kit.job(lane="50%25 off", priority=4),
            "kept": kit.job(keep_for=HOUR),
            "unique": kit.job(unique=Unique("name", kit.unit, "replace")),
            "expiring": kit.job(expires=HOUR),
            "reported": kit.job(),
        }[kind], []

    @pytest.mark.parametrize("trimmed_by", ["exchange", "recover", "nobody"])
    @pytest.mark.parametrize("end", ["finish", "fail", "cancel"])
    @conformance_test(Capability.RESULTS, Capability.CANCEL)
    async def test_again_an_id_whose_job_was_kept(self, kit: SuiteContext, end: str, trimmed_by: str) -> None:
        """The window of an id begins when the time is over for which its job was kept, whenever that is trimmed."""
        nothing = policy(retain_last(0))
        driver = await kit.driver(idempotency_window=kit.unit * 2, retention_policy=nothing)
        worker = await kit.worker(driver)
        job = kit.job(remember=True, keep_for=kit.unit)
        await driver.push([job])
        if end == "cancel":
            assert await driver.cancel(job.job_id)
        else:
            claim = await worker.claim_one()
            settlement = Finish(job.job_id, claim.token) if end == "finish" else Fail(job.job_id, claim.token, b"error")
            assert await worker.settle(settlement) == [SettleOutcome.SETTLED]
        await kit.advance(kit.unit * 2)
        if trimmed_by == "exchange":
            assert await worker.claim() == []
        elif trimmed_by == "recover":
            await driver.recover()
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.unit * 1.5)
        assert outcomes(await driver.push([job])) == [STORED]

    @pytest.mark.parametrize("trimmed_by", ["exchange", "recover"])
    @pytest.mark.parametrize("life", ["rerun", "cleanup", "removed", "late"])
    @conformance_test(Capability.RESULTS, Capability.CLEANUP)
    async def test_again_a_job_that_was_kept(self, kit: SuiteContext, life: str, trimmed_by: str) -> None:
        """A job that was kept for a time, and lives again, is as any other: it stays when that time is over."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        first = [kit.job(b"first", keep_for=kit.unit) for _ in range(2)]
        await driver.push(first)
        await worker.finish(*await worker.claim(9))
        again = [kit.job(b"again", job_id=job.job_id) for job in first]
        if life == "late":
            await kit.advance(kit.unit)
        elif life == "removed":
            assert [await driver.remove(job.job_id) for job in first] == [True] * 2
        if life == "rerun":
            assert [await driver.rerun(job.job_id) for job in first] == [True] * 2
        elif life == "cleanup":
            assert await driver.cleanup_step(JobStatus.COMPLETED, JobCleanup.RERUN, max_jobs=9) == 2
        else:
            assert outcomes(await driver.push(again)) == [STORED] * 2
        held = await worker.claim_one()
        await kit.advance(kit.unit)
        if trimmed_by == "exchange":
            (claim,) = await worker.claim(9)
        else:
            await driver.recover()
            claim = await worker.claim_one()
        assert {held.request, claim.request} == {b"again" if life in ("removed", "late") else b"first"}
        assert await worker.settle(Release(held.job_id, held.token)) == [SettleOutcome.SETTLED]
        assert (await worker.claim_one()).request == held.request

    @pytest.mark.parametrize("name", NOES)
    @conformance_test()
    async def test_again_a_no_stays_a_no(self, kit: SuiteContext, name: str) -> None:
        """The same sequence with the same digest: the same answer, also if it was no, and the step is possible now."""
        kit.needs(*NOES[name][0])
        no, step = NOES[name][1:]
        driver = await kit.driver()
        number = kit.operations()
        operation, job_id = number(), new_job_id()
        if name == "acquire_lock":
            assert await driver.acquire_lock("key", b"other", HOUR)
        assert await step(driver, job_id, operation) == no
        await self._make_possible(kit, driver, name, job_id)
        assert await step(driver, job_id, operation) == no
        assert await step(driver, job_id, number()) != no, "a repeat has done it"

    @conformance_test(Capability.CLEANUP)
    async def test_again_a_cleanup_that_passed_over_many(self, kit: SuiteContext) -> None:
        """The same sequence with the same digest: the same answer, also of a step that had to look for its jobs."""
        driver = await kit.driver()
        number = kit.operations()
        old = [kit.job(due=HOUR * 3) for _ in range(2)]
        await driver.push(old)
        await kit.advance(kit.unit)
        await driver.push([kit.job(due=HOUR * 2) for _ in range(250)])
        cleanup = JobCleanup.remove(max_age=kit.unit)
        for _ in range(2):
            operation = number()
            for _ in range(2):
                done = await driver.cleanup_step(JobStatus.PENDING, cleanup, max_jobs=1, operation=operation)
                assert done == 1
        assert outcomes(await driver.push(old)) == [STORED] * 2

    @staticmethod
    async def _make_possible(kit: SuiteContext, driver: AnyDriver, name: str, job_id: JobID) -> None:
        if name == "acquire_lock":
            assert await driver.release_lock("key", b"other")
        elif name == "release_lock":
            assert await driver.acquire_lock("key", b"holder", HOUR)
        elif name == "push_if":
            await driver.set_metadata("key", b"1")
        else:
            batch = job_id if name == "close_batch" else None
            assert outcomes(await driver.push([kit.job(job_id=job_id, batch=batch)])) == [STORED]
            if name == "resume":
                assert await driver.pause(job_id)
            elif name in ("rerun", "cleanup"):
                worker = await kit.worker(driver)
                claim = await worker.claim_one()
                assert await worker.settle(Fail(job_id, claim.token, b"error")) == [SettleOutcome.SETTLED]
