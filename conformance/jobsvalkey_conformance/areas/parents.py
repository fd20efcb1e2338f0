"""The jobs that others may run after."""

import asyncio

import pytest

from jobsvalkey.contract import (
    MOST_CHILDREN,
    MOST_PARENTS,
    PARENT_FAILED,
    AbortOutcome,
    Capability,
    Fail,
    Finish,
    Input,
    JobStatus,
    RefusalKind,
    Release,
    Retry,
    SettleOutcome,
    StoreOutcome,
    Unique,
    new_job_id,
)
from jobsvalkey_conformance.areas.flows import CANCELLED, COMPLETED, FAILED, LONG, PENDING, WAITING, claim_of, finish
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, outcomes


class ParentTests(Suite):
    """Which parents a job may have."""

    @pytest.mark.parametrize(("ended", "result"), [(False, b"result"), (True, b"result"), (True, b"")])
    @conformance_test(Capability.FLOWS, Capability.RESULTS, Capability.INSPECTION)
    async def test_flow_a_parent_of_an_earlier_push(self, kit: SuiteContext, ended: bool, result: bytes) -> None:
        """A parent that is kept may be older than the push: whether it has ended or not makes no difference.

        Its result is there for each of its children, though they come one after the other, and another has gone.
        """
        driver = await kit.driver()
        parent = await kit.push(driver, keep_for=kit.unit * 2)
        if ended:
            await finish(kit, driver, parent, result)
        children = [await kit.push(driver, after=[parent]) for _ in range(2)]
        for child in children:
            assert await driver.status(child) is (PENDING if ended else WAITING)
        if not ended:
            await finish(kit, driver, parent, result)
        await kit.advance(kit.unit * 3)
        assert await driver.status(parent) is None
        worker = await kit.worker(driver)
        for child in children:
            claim = await worker.claim_one()
            assert (claim.job_id, claim.inputs) == (child, (Input(parent, COMPLETED, result),))
            await worker.finish(claim)

    @pytest.mark.parametrize("first", [FAILED, COMPLETED])
    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_of_parents_that_had_ended_each_counts(self, kit: SuiteContext, first: JobStatus) -> None:
        """A child that is pushed when all its parents have ended is doomed if any has not completed."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        good, bad = [await kit.in_state(driver, status) for status in (COMPLETED, FAILED)]
        child = await kit.push(driver, after=[bad, good] if first is FAILED else [good, bad])
        await (await kit.worker(driver)).exchange()
        stored = await driver.get(child)
        assert stored is not None
        assert (stored.status, stored.error) == (CANCELLED, PARENT_FAILED)

    @conformance_test(Capability.FLOWS, Capability.CLEANUP)
    async def test_flow_another_job_of_a_childs_id(self, kit: SuiteContext) -> None:
        """A later job of the id of a child is told nothing of the parents of that: its inputs go with it."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent = kit.job(due=kit.now() - kit.unit)
        child = kit.job(after=[parent.job_id])
        await driver.push([parent, child])
        await finish(kit, driver, parent.job_id, b"result")
        worker, claim = await claim_of(kit, driver, child.job_id)
        assert claim.inputs == (Input(parent.job_id, COMPLETED, b"result"),)
        await worker.finish(claim)
        assert await driver.remove(child.job_id)
        assert outcomes(await driver.push([kit.job(job_id=child.job_id)])) == [STORED]
        _, claim = await claim_of(kit, driver, child.job_id)
        assert (claim.after, claim.inputs) == ((), ())

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_without_parents_nothing_can_fail(self, kit: SuiteContext) -> None:
        """`if_failed` is about parents: a job without any has the default, whatever it was pushed with."""
        driver = await kit.driver()
        batch = new_job_id()
        jobs = [kit.job(job_id=batch, batch=batch, if_failed="run"), kit.job(if_failed="run")]
        assert outcomes(await driver.push(jobs)) == [STORED] * 2
        for job in jobs:
            stored = await driver.get(job.job_id)
            assert stored is not None
            assert (stored.after, stored.if_failed) == ((), "cancel")

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CLEANUP)
    async def test_flow_a_parent_that_is_run_anew_tells_nothing(self, kit: SuiteContext) -> None:
        """A child that still waits for another goes by how a parent ended the first time: what was told stays told."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent, other = kit.job(due=kit.now() - kit.unit), kit.job()
        child = kit.job(after=[parent.job_id, other.job_id])
        await driver.push([parent, other, child])
        await finish(kit, driver, parent.job_id, b"first")
        assert await driver.rerun(parent.job_id)
        worker = await kit.worker(driver)
        again, last = sorted(await worker.claim(9), key=lambda claim: claim.job_id == other.job_id)
        await worker.settle(Fail(again.job_id, again.token, b"error"))
        assert await driver.status(parent.job_id) is FAILED
        assert await driver.status(child.job_id) is WAITING
        await worker.finish(last)
        _, claim = await claim_of(kit, driver, child.job_id)
        assert claim.inputs == (Input(parent.job_id, COMPLETED, b"first"), Input(other.job_id, COMPLETED))

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED, JobStatus.PROCESSING])
    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_a_parent_that_the_policy_keeps(self, kit: SuiteContext, status: JobStatus) -> None:
        """A plain job becomes a parent, wherever it is, if the retention policy keeps what ends."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent = await kit.push(driver)
        worker = await kit.worker(driver)
        claims = await worker.claim() if status is JobStatus.PROCESSING else []
        if status is JobStatus.PAUSED:
            kit.needs(Capability.RESUME)
            assert await driver.pause(parent)
        child = await kit.push(driver, after=[parent])
        assert await driver.status(parent) is status
        if status is JobStatus.PAUSED:
            assert await kit.claimed(driver) == []
            assert await driver.resume(parent)
        if not claims:
            claims = await worker.claim(2)
        assert [claim.job_id for claim in claims] == [parent]
        await worker.finish(*claims)
        assert await driver.status(child) is PENDING
        assert await driver.validate() == []

    @pytest.mark.parametrize("status", [FAILED, CANCELLED])
    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_a_parent_that_has_failed_already(self, kit: SuiteContext, status: JobStatus) -> None:
        """A child of a job that has ended otherwise ends with the next exchange; a finalizer is due at once."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent = await kit.in_state(driver, status)
        child, final = kit.job(after=[parent]), kit.job(after=[parent], if_failed="run")
        await driver.push([child, final])
        assert await driver.status(child.job_id) is WAITING
        assert await kit.claimed(driver) == [final.job_id]
        assert await driver.status(child.job_id) is CANCELLED

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_a_doomed_job_is_not_let_go(self, kit: SuiteContext) -> None:
        """A job that one parent has doomed ends for that reason, though all the others complete."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        failed, other = await kit.push_many(driver, 2)
        worker = await kit.worker(driver)
        first, second = await worker.claim(2)
        assert await worker.settle(Fail(failed, first.token, b"error")) == [SettleOutcome.SETTLED]
        child = kit.job(after=[failed, other])
        await driver.push([child])
        assert await driver.status(child.job_id) is WAITING
        assert await worker.settle(Finish(other, second.token)) == [SettleOutcome.SETTLED]
        job = await driver.get(child.job_id)
        assert job is not None
        assert (job.status, job.error) == (CANCELLED, PARENT_FAILED)

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_parents_that_cannot_be(self, kit: SuiteContext) -> None:
        """An unknown parent, or one that may be gone when it ends, refuses the push, of which nothing is stored."""
        driver = await kit.driver()
        parent = await kit.push(driver)
        before, unknown = await driver.counts(), new_job_id()
        for after, kind in (
            ([unknown], RefusalKind.UNKNOWN_PARENT),
            ([parent], RefusalKind.IMPOSSIBLE),
        ):
            first, child = kit.job(), kit.job(after=after)
            answer = await driver.push([first, child])
            assert outcomes(answer) == [StoreOutcome.REFUSED] * 2
            assert all(pushed.reason and pushed.reason.kind is kind for pushed in answer)
            assert str(after[0]) in (answer[0].reason.message if answer[0].reason else "")
        later = kit.job()
        (refused, _) = await driver.push([kit.job(after=[later.job_id]), later])
        assert refused.reason is not None
        assert refused.reason.kind is RefusalKind.UNKNOWN_PARENT
        itself = new_job_id()
        assert outcomes(await driver.push([kit.job(job_id=itself, after=[itself])])) == [StoreOutcome.REFUSED]
        assert await driver.counts() == before
        assert await kit.claimed(driver) == [parent]

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_a_refusal_is_an_answer(self, kit: SuiteContext) -> None:
        """A repeat of a push that was refused is refused, though its parent is there by then."""
        driver, number = await kit.driver(), kit.operations()
        parent, operation = kit.job(keep_for=LONG), number()
        child = kit.job(after=[parent.job_id])
        first = await driver.push([child], operation=operation)
        assert outcomes(first) == [StoreOutcome.REFUSED]
        await driver.push([parent])
        assert await driver.push([child], operation=operation) == first
        assert await driver.status(child.job_id) is None
        assert outcomes(await driver.push([child], operation=number())) == [STORED]

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_a_push_again(self, kit: SuiteContext) -> None:
        """A flow that is pushed twice is there once: what is a duplicate is not asked for its parents."""
        driver = await kit.driver()
        parent = kit.job(remember=True)
        child = kit.job(remember=True, after=[parent.job_id])
        await driver.push([parent, child])
        await finish(kit, driver, parent.job_id)
        assert await driver.status(parent.job_id) is None
        assert outcomes(await driver.push([parent, child])) == [DUPLICATE] * 2
        assert outcomes(await driver.push([child])) == [DUPLICATE]
        assert await kit.claimed(driver) == [child.job_id]

    @conformance_test(Capability.FLOWS, Capability.UNIQUE, Capability.INSPECTION)
    async def test_flow_a_duplicate_stands_for_its_holder(self, kit: SuiteContext) -> None:
        """A parent that is not stored, since its name is held, stands for the job that holds it."""
        driver = await kit.driver()
        holder = await kit.push(driver, unique=Unique("name"), keep_for=LONG)
        twice = kit.job(unique=Unique("name"))
        child = kit.job(after=[twice.job_id, holder])
        assert outcomes(await driver.push([twice, child])) == [DUPLICATE, STORED]
        stored = await driver.get(child.job_id)
        assert stored is not None
        assert (stored.status, stored.after) == (WAITING, (holder,))
        await finish(kit, driver, holder)
        assert await kit.claimed(driver) == [child.job_id]

    @conformance_test(Capability.FLOWS, Capability.UNIQUE, Capability.INSPECTION)
    async def test_flow_a_job_with_parents_is_not_replaced(self, kit: SuiteContext) -> None:
        """A job with parents takes nobody's place, and nobody takes its: the push is a duplicate."""
        driver = await kit.driver()
        name = Unique("name", otherwise="replace")
        parent = await kit.push(driver, keep_for=LONG)
        child = await kit.push(driver, b"first", after=[parent], unique=name)
        (skipped,) = await driver.push([kit.job(b"second", unique=name)])
        assert (skipped.outcome, skipped.job_id) == (DUPLICATE, child)
        await finish(kit, driver, parent)
        (skipped,) = await driver.push([kit.job(b"second", unique=name)])
        assert (skipped.outcome, skipped.job_id) == (DUPLICATE, child)
        _, claim = await claim_of(kit, driver, child)
        assert claim.request == b"first"
        other = await kit.push(driver, b"first", unique=Unique("other"))
        (skipped,) = await driver.push([kit.job(after=[parent], unique=Unique("other", otherwise="replace"))])
        assert (skipped.outcome, skipped.job_id) == (DUPLICATE, other)

    @conformance_test(Capability.FLOWS, Capability.RESULTS, Capability.INSPECTION, Capability.CLEANUP)
    async def test_flow_each_child_has_the_result_of_its_run(self, kit: SuiteContext) -> None:
        """A child that is pushed after a rerun of its parent waits for it; the others keep what they were told."""
        driver = await kit.driver()
        parent = await kit.push(driver, keep_for=LONG)
        old = kit.job(after=[parent], due=kit.unit)
        await driver.push([old])
        await finish(kit, driver, parent, b"first")
        assert await driver.rerun(parent)
        new = kit.job(after=[parent], due=kit.unit * 2)
        await driver.push([new])
        assert await driver.status(new.job_id) is WAITING
        await finish(kit, driver, parent, b"second")
        await kit.advance(kit.unit * 2)
        worker = await kit.worker(driver)
        one, other = await worker.claim(2)
        assert one.inputs == (Input(parent, COMPLETED, b"first"),)
        assert other.inputs == (Input(parent, COMPLETED, b"second"),)

    @conformance_test(Capability.FLOWS, Capability.SCHEDULING, Capability.INSPECTION)
    async def test_flow_push_if(self, kit: SuiteContext) -> None:
        """`push_if` takes a job with parents; a refusal leaves the metadata as it was."""
        driver = await kit.driver()
        parent = await kit.push(driver, keep_for=LONG)
        refused = await driver.push_if(kit.job(after=[new_job_id()]), "key", None, b"1")
        assert refused.outcome is StoreOutcome.REFUSED
        assert refused.reason is not None
        assert refused.reason.kind is RefusalKind.UNKNOWN_PARENT
        stored = await driver.push_if(kit.job(after=[parent]), "key", None, b"1")
        assert stored.outcome is STORED
        assert await driver.status(stored.job_id) is WAITING

    @conformance_test(Capability.FLOWS)
    async def test_flow_a_refusal_is_of_its_own_push(self, kit: SuiteContext) -> None:
        """Of pushes that come at once, and may share a round trip, only those are refused that name nobody's parent."""
        driver = await kit.driver()
        pushes = [[kit.job(after=[new_job_id()] if number % 3 == 1 else [])] for number in range(12)]
        answers = await asyncio.gather(*(driver.push(jobs) for jobs in pushes))
        expected = [StoreOutcome.REFUSED if number % 3 == 1 else STORED for number in range(12)]
        assert [pushed.outcome for answer in answers for pushed in answer] == expected

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_the_load_counts_those_that_wait(self, kit: SuiteContext) -> None:
        """`load` counts the jobs that wait for others apart from those that are due, doomed ones included."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent, other = kit.job(), kit.job(due=LONG)
        children = [kit.job(after=[parent.job_id]), kit.job(after=[parent.job_id, other.job_id]), kit.job(due=LONG)]
        await driver.push([parent, other, *children])
        load = await driver.load()
        assert (load.due, load.delayed, load.waiting, load.processing) == (1, 2, 2, 0)
        await finish(kit, driver, parent.job_id)
        load = await driver.load()
        assert (load.due, load.delayed, load.waiting, load.processing) == (1, 2, 1, 0)
        kit.needs(Capability.CANCEL)
        assert await driver.cancel(other.job_id)
        load = await driver.load()
        assert (load.due, load.delayed, load.waiting) == (1, 1, 1)
        await (await kit.worker(driver)).exchange()
        assert (await driver.load()).waiting == 0

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_flow_how_many_are_told_in_one_step(self, kit: SuiteContext) -> None:
        """An exchange ends jobs for which at most 1,000 wait; what is `AGAIN` has not changed, and is settled later."""
        driver = await kit.driver(retention_policy=RETAIN_ALL, max_atomic_push=2 * MOST_CHILDREN)
        first, second, third = (kit.job(due=kit.now() - kit.unit * number) for number in (3, 2, 1))
        ids = [first.job_id] * 600 + [second.job_id] * 401 + [third.job_id] * 400
        children = [kit.job(after=[each], due=LONG) for each in ids]
        assert set(outcomes(await driver.push([first, second, third, *children]))) == {STORED}
        worker = await kit.worker(driver)
        settlements = [Finish(claim.job_id, claim.token) for claim in await worker.claim(3)]
        assert [each.job_id for each in settlements] == [first.job_id, second.job_id, third.job_id]
        outcomes_of = (await worker.exchange(*settlements)).outcomes
        assert outcomes_of == [SettleOutcome.SETTLED, SettleOutcome.AGAIN, SettleOutcome.SETTLED]
        assert await driver.status(second.job_id) is JobStatus.PROCESSING
        assert (await driver.counts())[WAITING] == 401
        assert (await driver.exchange(worker.id, worker.sequence, settlements)).outcomes == outcomes_of
        assert await worker.settle(settlements[1]) == [SettleOutcome.SETTLED]
        assert (await driver.counts())[WAITING] == 0

    @conformance_test(Capability.FLOWS)
    async def test_flow_going_back_tells_nobody(self, kit: SuiteContext) -> None:
        """A retry or a release is never `AGAIN`, however many wait for the others that the exchange settles."""
        driver = await kit.driver(retention_policy=RETAIN_ALL, max_atomic_push=3 * MOST_CHILDREN)
        parents = [kit.job(due=kit.now() - kit.unit * number) for number in (3, 2, 1)]
        children = [kit.job(after=[parent.job_id], due=LONG) for parent in parents for _ in range(501)]
        await driver.push([*parents, *children])
        worker = await kit.worker(driver)
        one, two, three = [(claim.job_id, claim.token) for claim in await worker.claim(3)]
        settled = await worker.settle(Finish(*one), Retry(*two), Release(*three))
        assert settled == [SettleOutcome.SETTLED] * 3

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CANCEL)
    async def test_flow_how_many_are_doomed_in_one_step(self, kit: SuiteContext) -> None:
        """Of what is overdue a step ends jobs for which at most 1,000 wait; the rest ends with the next ones."""
        driver = await kit.driver(retention_policy=RETAIN_ALL, max_atomic_push=2 * MOST_CHILDREN)
        top = kit.job(due=LONG)
        middle = [kit.job(after=[top.job_id]) for _ in range(3)]
        ids = [middle[at % 3].job_id for at in range(3 * 501)]
        assert set(outcomes(await driver.push([top, *middle, *(kit.job(after=[each]) for each in ids)]))) == {STORED}
        assert await driver.cancel(top.job_id)
        worker = await kit.worker(driver)
        for ended in (1, 2, 3):
            answer = await worker.exchange()
            assert answer.until_next == 0
            statuses = [await driver.status(job.job_id) for job in middle]
            assert statuses.count(CANCELLED) == ended

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.ABORT)
    async def test_flow_how_many_are_told_by_one_recovery(self, kit: SuiteContext) -> None:
        """A recovery ends jobs for which at most 1,000 wait; a claim that it leaves is recovered by the next one."""
        driver = await kit.driver(retention_policy=RETAIN_ALL, max_atomic_push=2 * MOST_CHILDREN)
        parents = [kit.job() for _ in range(2)]
        children = [kit.job(after=[each.job_id], due=LONG) for each in parents for _ in range(600)]
        assert set(outcomes(await driver.push([*parents, *children]))) == {STORED}
        worker = await kit.worker(driver, kit.unit * 2)
        for claim in await worker.claim(2):
            assert await driver.abort(claim.job_id) is AbortOutcome.REQUESTED
        await kit.advance(kit.unit * 2)
        for recovered in (1, 2):
            assert await driver.recover() == 1
            assert [await driver.status(each.job_id) for each in parents].count(CANCELLED) == recovered
        assert await driver.recover() == 0
        assert (await driver.counts())[JobStatus.PROCESSING] == 0

    @conformance_test(Capability.FLOWS)
    async def test_flow_how_many_parents_and_children(self, kit: SuiteContext) -> None:
        """A job has up to 1,000 parents, and a parent up to 1,000 jobs that wait for it."""
        driver = await kit.driver(max_atomic_push=2 * MOST_PARENTS)
        parents = [kit.job() for _ in range(MOST_PARENTS + 1)]
        ids = [parent.job_id for parent in parents]
        with pytest.raises(ValueError, match="is the most"):
            await driver.push([*parents, kit.job(after=ids)])
        child = kit.job(after=ids[1:], due=kit.unit)
        assert set(outcomes(await driver.push([*parents[1:], child]))) == {STORED}
        top = kit.job(keep_for=LONG, due=LONG)
        first = [kit.job(after=[top.job_id], due=LONG) for _ in range(MOST_CHILDREN)]
        assert set(outcomes(await driver.push([top, *first]))) == {STORED}
        (refused,) = await driver.push([kit.job(after=[top.job_id])])
        assert refused.reason is not None
        assert refused.reason.kind is RefusalKind.IMPOSSIBLE
        worker = await kit.worker(driver)
        claims = await worker.claim(MOST_PARENTS + 1)
        assert len(claims) == MOST_PARENTS
        await worker.finish(*claims[1:])
        await kit.advance(kit.unit)
        assert await worker.claim() == []
        await worker.finish(claims[0])
        last = await worker.claim_one()
        assert [each.job_id for each in last.inputs] == ids[1:]
