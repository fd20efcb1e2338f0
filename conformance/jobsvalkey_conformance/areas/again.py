"""A second time: what is left from before, and what a repeat shows of a job with any feature."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    Capability,
    Fail,
    Finish,
    LaneLimit,
    NewJob,
    Release,
    Report,
    SettleOutcome,
    Unique,
    new_job_id,
    retain_last,
)
from jobsvalkey_conformance.areas.retention import policy
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, STORED, SuiteContext, outcomes

HOUR = timedelta(hours=1)
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
