"""Jobs that run after others."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    EXPIRED,
    PARENT_FAILED,
    AbortOutcome,
    Capability,
    Claim,
    Fail,
    Finish,
    Input,
    JobCleanup,
    JobID,
    JobStatus,
    Release,
    Retry,
    SettleOutcome,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver
from jobsvalkey_conformance.hints import woken

LONG = timedelta(hours=5)
WAITING, PENDING = JobStatus.WAITING, JobStatus.PENDING
COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED

End = Callable[[SuiteContext, AnyDriver, JobID], Awaitable[JobStatus | None]]


async def claim_of(kit: SuiteContext, driver: AnyDriver, job_id: JobID) -> tuple[Worker, Claim]:
    """The claim of a job that is due, with its worker; no other job is."""
    worker = await kit.worker(driver)
    claim = await worker.claim_one()
    assert claim.job_id == job_id
    return worker, claim


async def finish(kit: SuiteContext, driver: AnyDriver, job_id: JobID, result: bytes | None = None) -> None:
    """Run a job to its end."""
    worker, claim = await claim_of(kit, driver, job_id)
    assert await worker.settle(Finish(job_id, claim.token, result)) == [SettleOutcome.SETTLED]


async def _fail(kit: SuiteContext, driver: AnyDriver, job_id: JobID) -> JobStatus | None:
    worker, claim = await claim_of(kit, driver, job_id)
    assert await worker.settle(Fail(job_id, claim.token, b"error")) == [SettleOutcome.SETTLED]
    return FAILED


async def _cancel(kit: SuiteContext, driver: AnyDriver, job_id: JobID) -> JobStatus | None:
    kit.needs(Capability.CANCEL)
    assert await driver.cancel(job_id)
    return CANCELLED


async def _abort(kit: SuiteContext, driver: AnyDriver, job_id: JobID) -> JobStatus | None:
    kit.needs(Capability.ABORT)
    worker, claim = await claim_of(kit, driver, job_id)
    assert await driver.abort(job_id) is AbortOutcome.REQUESTED
    assert await worker.settle(Release(job_id, claim.token)) == [SettleOutcome.SETTLED]
    return CANCELLED


async def _expire(kit: SuiteContext, driver: AnyDriver, job_id: JobID) -> JobStatus | None:
    kit.needs(Capability.EXPIRY)
    await kit.advance(kit.unit * 2)
    await (await kit.worker(driver)).exchange()
    return CANCELLED


async def _remove(kit: SuiteContext, driver: AnyDriver, job_id: JobID) -> JobStatus | None:
    kit.needs(Capability.CLEANUP)
    assert await driver.remove(job_id)
    return None


FAILURES = {"fail": _fail, "cancel": _cancel, "abort": _abort, "expire": _expire, "remove": _remove}
"""The ends of a parent that are no completion, each with the status that the child is told."""
every_failure: pytest.MarkDecorator = pytest.mark.parametrize("end", list(FAILURES.values()), ids=list(FAILURES))


class FlowTests(Suite):
    """`after`: a job waits until other jobs have ended."""

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_a_job_waits_for_its_parents(self, kit: SuiteContext) -> None:
        """A job is waiting, and is not claimed, until the last of its parents has completed; then it is pending."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        first, second = kit.job(due=kit.now() - kit.unit), kit.job(due=kit.now())
        child = kit.job(b"child", after=[second.job_id, first.job_id])
        assert outcomes(await driver.push([first, second, child])) == [STORED] * 3
        stored = await driver.get(child.job_id)
        assert stored is not None
        assert (stored.status, stored.after, stored.inputs) == (WAITING, (second.job_id, first.job_id), ())
        assert (await driver.counts())[WAITING] == 1
        assert [job.job_id async for job in driver.jobs(WAITING)] == [child.job_id]
        worker = await kit.worker(driver)
        one, two = await worker.claim(3)
        assert [one.job_id, two.job_id] == [first.job_id, second.job_id]
        await worker.finish(one)
        assert await driver.status(child.job_id) is WAITING
        assert await worker.claim() == []
        await worker.finish(two)
        assert await driver.status(child.job_id) is PENDING
        assert await driver.validate() == []
        claim = await worker.claim_one()
        assert claim.after == (second.job_id, first.job_id)
        assert claim.inputs == (Input(second.job_id, COMPLETED), Input(first.job_id, COMPLETED))
        await worker.finish(claim)
        assert (await driver.counts())[COMPLETED] == 3

    @conformance_test(Capability.FLOWS, Capability.RESULTS)
    async def test_flow_results_are_handed_on(self, kit: SuiteContext) -> None:
        """A child is told what its parents returned, though nothing is kept of them, and is told it with each claim."""
        driver = await kit.driver()
        results = (b"one's", None, b"")
        parents = [kit.job(due=kit.now() - kit.unit * (9 - number)) for number in range(3)]
        children = [kit.job(after=[parent.job_id for parent in parents]) for _ in range(2)]
        await driver.push([*parents, *children])
        for parent, result in zip(parents, results, strict=True):
            await finish(kit, driver, parent.job_id, result)
        told = tuple(Input(*each) for each in zip(children[0].after, [COMPLETED] * 3, results, strict=True))
        worker = await kit.worker(driver)
        claims = await worker.claim(3)
        assert [claim.inputs for claim in claims] == [told, told]
        again = await driver.exchange(worker.id, worker.sequence, (), 3)
        assert again.claims == claims
        await worker.finish(claims[0])
        await worker.settle(Retry(claims[1].job_id, claims[1].token))
        assert (await worker.claim_one()).inputs == told

    @conformance_test(Capability.FLOWS)
    async def test_flow_the_last_parent_and_its_child_in_one_step(self, kit: SuiteContext) -> None:
        """The exchange that finishes the last parent claims the child."""
        driver = await kit.driver()
        parent = kit.job()
        child = kit.job(after=[parent.job_id])
        await driver.push([parent, child])
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        answer = await worker.exchange(Finish(claim.job_id, claim.token), limit=1)
        assert [claim.job_id for claim in answer.claims] == [child.job_id]

    @conformance_test(Capability.FLOWS, hints=True)
    async def test_flow_a_job_that_is_let_go_wakes_a_worker(self, kit: SuiteContext) -> None:
        """A worker that waits hears of a job that an end has let go, or doomed."""
        driver, idle_driver = await kit.driver(), await kit.driver()
        for failing in (False, True):
            parent = kit.job()
            await driver.push([parent, kit.job(after=[parent.job_id])])
            worker, idle = await kit.worker(driver), await kit.worker(idle_driver)
            (claim,) = await worker.claim()
            assert await idle.claim() == []
            end = Fail(claim.job_id, claim.token, b"error") if failing else Finish(claim.job_id, claim.token)
            async with woken(idle):
                await worker.settle(end)
            assert len(await idle.claim()) == (0 if failing else 1)

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_a_child_keeps_its_due_time(self, kit: SuiteContext) -> None:
        """A child that is let go is due when it was to be due from its push."""
        driver = await kit.driver()
        parent = kit.job()
        child = kit.job(after=[parent.job_id], due=kit.unit * 3)
        pushed_at = kit.now()
        await driver.push([parent, child])
        await finish(kit, driver, parent.job_id)
        stored = await driver.get(child.job_id)
        assert stored is not None
        assert kit.same_time(stored.due, pushed_at + kit.unit * 3)
        assert await kit.claimed(driver) == []
        await kit.advance(kit.unit * 3)
        assert await kit.claimed(driver) == [child.job_id]

    @every_failure
    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_a_parent_that_does_not_complete_dooms_its_children(self, kit: SuiteContext, end: End) -> None:
        """Children of such a parent are cancelled by exchanges, with the reason, level by level; others are not."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        expires = kit.unit * 2 if end is _expire else None
        parent = kit.job(expires=expires)
        other = kit.job(due=LONG)
        child = kit.job(after=[parent.job_id, other.job_id])
        grandchild, orphan = kit.job(after=[child.job_id]), kit.job(after=[other.job_id])
        await driver.push([parent, other, child, grandchild, orphan])
        status = await end(kit, driver, parent.job_id)
        worker = await kit.worker(driver)
        for _ in range(2):
            await worker.exchange()
        stored, next_one = await driver.get(child.job_id), await driver.get(grandchild.job_id)
        assert stored is not None
        assert next_one is not None
        assert (stored.status, stored.error) == (CANCELLED, PARENT_FAILED)
        assert stored.inputs == (Input(parent.job_id, status),)
        assert (next_one.status, next_one.error) == (CANCELLED, PARENT_FAILED)
        assert next_one.inputs == (Input(child.job_id, CANCELLED),)
        assert await driver.status(orphan.job_id) is WAITING
        assert (await worker.exchange()).until_next == pytest.approx(
            (LONG - (kit.unit * 2 if expires else timedelta(0))).total_seconds(), abs=10
        )
        assert await driver.validate() == []

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_the_doomed_end_one_level_a_step(self, kit: SuiteContext) -> None:
        """The exchange in which a parent fails ends its children; the next one ends theirs, and `until_next` is 0."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent = kit.job()
        child = kit.job(after=[parent.job_id])
        grandchild = kit.job(after=[child.job_id])
        await driver.push([parent, child, grandchild])
        worker, claim = await claim_of(kit, driver, parent.job_id)
        answer = await worker.exchange(Fail(parent.job_id, claim.token, b"error"), limit=1)
        assert (answer.claims, answer.until_next) == ([], 0)
        assert await driver.status(child.job_id) is CANCELLED
        assert await driver.status(grandchild.job_id) is WAITING
        assert (await worker.exchange(limit=1)).until_next is None
        assert await driver.status(grandchild.job_id) is CANCELLED

    @every_failure
    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_a_finalizer_runs_all_the_same(self, kit: SuiteContext, end: End) -> None:
        """A job with `if_failed="run"` runs when all its parents have ended, in whatever way, and is told how."""
        driver = await kit.driver()
        parent = kit.job(due=kit.now() - kit.unit, expires=kit.unit * 2 if end is _expire else None)
        other = kit.job(due=kit.unit * 9)
        final = kit.job(after=[parent.job_id, other.job_id], if_failed="run")
        await driver.push([parent, other, final])
        status = await end(kit, driver, parent.job_id)
        assert await kit.claimed(driver) == []
        stored = await driver.get(final.job_id)
        assert stored is not None
        assert (stored.status, stored.if_failed) == (WAITING, "run")
        await kit.advance(kit.unit * 9)
        await finish(kit, driver, other.job_id)
        _, claim = await claim_of(kit, driver, final.job_id)
        assert claim.inputs == (Input(parent.job_id, status), Input(other.job_id, COMPLETED))

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CLEANUP)
    async def test_flow_removing_a_running_parent_dooms(self, kit: SuiteContext) -> None:
        """A cleanup that removes a job which runs dooms its children."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent = kit.job()
        child = kit.job(after=[parent.job_id])
        await driver.push([parent, child])
        await claim_of(kit, driver, parent.job_id)
        assert await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup.remove(), max_jobs=9) == 1
        await (await kit.worker(driver)).exchange()
        assert await driver.status(child.job_id) is CANCELLED

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CLEANUP)
    async def test_flow_what_was_decided_stays(self, kit: SuiteContext) -> None:
        """A rerun of a parent changes no child: neither one that is let go nor one that was cancelled."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        good, bad = kit.job(due=kit.now() - kit.unit), kit.job()
        child, doomed = kit.job(after=[good.job_id], due=LONG), kit.job(after=[bad.job_id])
        await driver.push([good, bad, child, doomed])
        await finish(kit, driver, good.job_id)
        await _fail(kit, driver, bad.job_id)
        assert await driver.status(doomed.job_id) is CANCELLED
        for parent in (good, bad):
            assert await driver.rerun(parent.job_id)
        assert await driver.status(child.job_id) is PENDING
        worker = await kit.worker(driver)
        claims = await worker.claim(9)
        assert sorted(claim.job_id for claim in claims) == sorted([good.job_id, bad.job_id])
        await worker.finish(*claims)
        assert await driver.status(doomed.job_id) is CANCELLED
        stored = await driver.get(doomed.job_id)
        assert stored is not None
        assert stored.inputs == (Input(bad.job_id, FAILED),)

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CLEANUP, Capability.CANCEL)
    async def test_flow_a_child_that_is_rerun_waits_for_nothing(self, kit: SuiteContext) -> None:
        """A job that was cancelled while it waited runs, when rerun, whatever has become of its parents since."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent = kit.job(due=LONG)
        child = kit.job(after=[parent.job_id])
        await driver.push([parent, child])
        assert await driver.cancel(child.job_id)
        assert await driver.status(child.job_id) is CANCELLED
        assert await driver.rerun(child.job_id)
        worker, claim = await claim_of(kit, driver, child.job_id)
        assert (claim.after, claim.inputs) == ((parent.job_id,), ())
        assert await driver.remove(parent.job_id)
        await worker.finish(claim)
        assert await driver.status(child.job_id) is COMPLETED

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.RESUME)
    async def test_flow_resuming_lets_a_job_go(self, kit: SuiteContext) -> None:
        """`resume` of a waiting job runs it without the rest, at its due time, with the inputs that it has by then."""
        driver = await kit.driver()
        first, rest = kit.job(due=kit.now() - kit.unit), kit.job()
        child = kit.job(after=[first.job_id, rest.job_id], due=kit.unit)
        await driver.push([first, rest, child])
        await finish(kit, driver, first.job_id)
        assert await driver.pause(child.job_id) is False
        assert await driver.resume(child.job_id)
        assert await driver.status(child.job_id) is PENDING
        assert await driver.resume(child.job_id) is False
        await _fail(kit, driver, rest.job_id)
        await kit.advance(kit.unit)
        _, claim = await claim_of(kit, driver, child.job_id)
        assert claim.inputs == (Input(first.job_id, COMPLETED),)

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.RESUME)
    async def test_flow_resuming_saves_what_is_doomed(self, kit: SuiteContext) -> None:
        """A doomed job that is resumed before an exchange has ended it runs."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent = await kit.in_state(driver, FAILED)
        child = await kit.push(driver, after=[parent])
        assert await driver.resume(child)
        _, claim = await claim_of(kit, driver, child)
        assert claim.inputs == (Input(parent, FAILED),)

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.EXPIRY)
    async def test_flow_a_waiting_job_expires(self, kit: SuiteContext) -> None:
        """`expires` covers a job that waits, and one that was let go."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent = kit.job(due=LONG)
        soon = kit.job(due=kit.now() - kit.unit)
        waiting = kit.job(after=[parent.job_id], expires=kit.unit)
        released = kit.job(after=[soon.job_id], expires=kit.unit, due=kit.unit * 3)
        await driver.push([parent, soon, waiting, released])
        await finish(kit, driver, soon.job_id)
        assert [await driver.status(job.job_id) for job in (waiting, released)] == [JobStatus.WAITING, PENDING]
        await kit.advance(kit.unit)
        await (await kit.worker(driver)).exchange()
        for job in (waiting, released):
            stored = await driver.get(job.job_id)
            assert stored is not None
            assert (stored.status, stored.error) == (CANCELLED, EXPIRED)

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CLEANUP)
    async def test_flow_a_waiting_job_is_removed(self, kit: SuiteContext) -> None:
        """A job that is removed while it waits is not told of its parent's end, and may be pushed again."""
        driver = await kit.driver()
        parent = kit.job()
        child = kit.job(after=[parent.job_id])
        await driver.push([parent, child])
        assert await driver.remove(child.job_id)
        assert await driver.status(child.job_id) is None
        plain = kit.job(job_id=child.job_id, due=LONG)
        assert outcomes(await driver.push([plain])) == [STORED]
        await finish(kit, driver, parent.job_id)
        stored = await driver.get(child.job_id)
        assert stored is not None
        assert (stored.status, stored.after, stored.inputs) == (PENDING, (), ())

    @conformance_test(Capability.FLOWS, Capability.ABORT, Capability.INSPECTION)
    async def test_flow_a_waiting_job_is_aborted(self, kit: SuiteContext) -> None:
        """`abort` cancels a job that waits."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent = kit.job()
        child = kit.job(after=[parent.job_id])
        await driver.push([parent, child])
        assert await driver.abort(child.job_id) is AbortOutcome.CANCELLED
        assert await driver.status(child.job_id) is CANCELLED
        await finish(kit, driver, parent.job_id)
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.FLOWS, Capability.PAUSE_QUEUE, Capability.INSPECTION)
    async def test_flow_in_a_paused_queue(self, kit: SuiteContext) -> None:
        """While the queue is paused, ends let go and doom as ever."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        good, bad = kit.job(due=kit.now() - kit.unit), kit.job()
        child, doomed = kit.job(after=[good.job_id]), kit.job(after=[bad.job_id])
        await driver.push([good, bad, child, doomed])
        worker = await kit.worker(driver)
        one, other = await worker.claim(2)
        await driver.pause_queue()
        await worker.settle(Finish(one.job_id, one.token), Fail(other.job_id, other.token, b"error"))
        assert await driver.status(child.job_id) is PENDING
        assert await driver.status(doomed.job_id) is CANCELLED

    @conformance_test(Capability.FLOWS, Capability.RESULTS)
    async def test_flow_inputs_count_for_what_one_exchange_claims(self, kit: SuiteContext) -> None:
        """One exchange claims requests, states and inputs of at most the bytes of a push, but at least one job."""
        driver = await kit.driver(max_atomic_push_bytes=1000)
        parent = kit.job()
        children = [kit.job(after=[parent.job_id]) for _ in range(3)]
        await driver.push([parent, *children])
        await finish(kit, driver, parent.job_id, b"x" * 600)
        worker = await kit.worker(driver)
        answers = [await worker.exchange(limit=3) for _ in children]
        assert [len(answer.claims) for answer in answers] == [1, 1, 1]
        assert [answer.until_next for answer in answers] == [0, 0, None]
