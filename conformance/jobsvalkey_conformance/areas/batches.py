"""Batches: a callback that runs once all the jobs of its batch have ended."""

import pytest
from msgspec.structs import replace

from jobsvalkey.contract import (
    BatchCounts,
    Capability,
    Fail,
    Finish,
    JobID,
    JobStatus,
    NewJob,
    RefusalKind,
    Release,
    StoreOutcome,
    Unique,
    new_job_id,
)
from jobsvalkey_conformance.areas.flows import CANCELLED, COMPLETED, LONG, PENDING, WAITING, claim_of, finish
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver


async def open_batch(kit: SuiteContext, driver: AnyDriver) -> JobID:
    """A new callback, which its own batch holds."""
    callback = new_callback(kit)
    assert outcomes(await driver.push([callback])) == [STORED]
    return callback.job_id


def new_callback(kit: SuiteContext) -> NewJob:
    """A callback to push."""
    job = kit.job(b"callback", due=kit.now())
    return replace(job, batch=job.job_id)


async def members_of(driver: AnyDriver, callback: JobID) -> BatchCounts | None:
    """The members, as a look at the callback tells of them."""
    stored = await driver.get(callback)
    assert stored is not None
    assert stored.batch == callback
    return stored.members


class BatchTests(Suite):
    """`batch` and `close_batch`."""

    @pytest.mark.parametrize("closed_first", [False, True])
    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_batch_the_callback_runs_last(self, kit: SuiteContext, closed_first: bool) -> None:
        """A callback runs after the last member and the closing, whichever is later, and is told the counts."""
        driver = await kit.driver()
        batch = await open_batch(kit, driver)
        assert await members_of(driver, batch) == BatchCounts()
        jobs = [kit.job(b"%d" % number, due=kit.now() - kit.unit, batch=batch) for number in range(3)]
        await driver.push(jobs)
        if closed_first:
            assert await driver.close_batch(batch)
        worker = await kit.worker(driver)
        one, two, three = await worker.claim(9)
        assert (one.batch, one.members) == (batch, None)
        await worker.settle(Fail(one.job_id, one.token, b"error"), Finish(two.job_id, two.token))
        assert await driver.status(batch) is WAITING
        assert await members_of(driver, batch) == BatchCounts(completed=1, failed=1)
        await worker.settle(Release(three.job_id, three.token))
        assert await driver.status(batch) is WAITING
        await worker.finish(await worker.claim_one())
        if not closed_first:
            assert await driver.status(batch) is WAITING
            assert await driver.close_batch(batch)
        assert await driver.close_batch(batch) is False
        assert await driver.status(batch) is PENDING
        claim = await worker.claim_one()
        assert (claim.job_id, claim.batch) == (batch, batch)
        assert claim.members == BatchCounts(completed=2, failed=1)
        await worker.finish(claim)
        assert await driver.validate() == []

    @conformance_test(Capability.FLOWS)
    async def test_batch_without_members(self, kit: SuiteContext) -> None:
        """A batch that nobody has joined runs its callback when it is closed."""
        driver = await kit.driver()
        batch = await open_batch(kit, driver)
        assert await kit.claimed(driver) == []
        assert await driver.close_batch(batch)
        _, claim = await claim_of(kit, driver, batch)
        assert claim.members == BatchCounts()

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CLEANUP, Capability.CANCEL)
    async def test_batch_members_that_never_ran(self, kit: SuiteContext) -> None:
        """A member that is cancelled, or removed before it ended, counts as cancelled, whatever comes later."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        batch = await open_batch(kit, driver)
        jobs = [kit.job(due=kit.now() - kit.unit, batch=batch) for _ in range(3)]
        await driver.push(jobs)
        await driver.close_batch(batch)
        assert await driver.cancel(jobs[0].job_id)
        assert await driver.remove(jobs[1].job_id)
        await finish(kit, driver, jobs[2].job_id)
        assert [await driver.remove(job.job_id) for job in jobs] == [True, False, True]
        _, claim = await claim_of(kit, driver, batch)
        assert claim.members == BatchCounts(completed=1, cancelled=2)

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_batch_is_closed_once(self, kit: SuiteContext) -> None:
        """close_batch: `False` if it was closed before, also while members are still to end; those go on holding it."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        batch = await open_batch(kit, driver)
        member = await kit.push(driver, batch=batch)
        assert await driver.close_batch(batch) is True
        for _ in range(2):
            assert await driver.close_batch(batch) is False
        assert await driver.status(batch) is WAITING
        await finish(kit, driver, member)
        _, claim = await claim_of(kit, driver, batch)
        assert claim.members == BatchCounts(completed=1)

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CLEANUP)
    async def test_batch_a_rerun_takes_its_count_back(self, kit: SuiteContext) -> None:
        """A member that is rerun while the callback waits holds it again; afterwards it changes nothing."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        batch = await open_batch(kit, driver)
        job, other = (kit.job(due=kit.now() - kit.unit, batch=batch) for _ in range(2))
        await driver.push([job])
        worker, claim = await claim_of(kit, driver, job.job_id)
        await worker.settle(Fail(job.job_id, claim.token, b"error"))
        assert await members_of(driver, batch) == BatchCounts(failed=1)
        assert await driver.rerun(job.job_id)
        assert await members_of(driver, batch) == BatchCounts()
        await driver.push([other])
        await driver.close_batch(batch)
        claims = await worker.claim(9)
        assert len(claims) == 2
        await worker.finish(claims[0])
        assert await driver.status(batch) is WAITING
        await worker.finish(claims[1])
        assert await driver.status(batch) is PENDING
        assert await driver.rerun(job.job_id)
        assert await driver.status(batch) is PENDING
        await worker.finish(*await worker.claim(9))
        assert await driver.rerun(job.job_id)
        await worker.finish(await worker.claim_one())
        assert await worker.claim() == []
        assert await driver.status(batch) is COMPLETED
        assert await members_of(driver, batch) == BatchCounts(completed=2)

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_batch_a_job_of_a_member_joins(self, kit: SuiteContext) -> None:
        """While a member is unended, further jobs may join, though the batch is closed."""
        driver = await kit.driver()
        batch = await open_batch(kit, driver)
        first = await kit.push(driver, batch=batch)
        await driver.close_batch(batch)
        worker, claim = await claim_of(kit, driver, first)
        second = await kit.push(driver, batch=batch)
        await worker.finish(claim)
        assert await driver.status(batch) is WAITING
        await finish(kit, driver, second)
        assert await driver.status(batch) is PENDING

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CANCEL)
    async def test_batch_that_cannot_be_joined(self, kit: SuiteContext) -> None:
        """A batch that is absent, is none, or is decided refuses the push, of which nothing is stored."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        decided, cancelled = await open_batch(kit, driver), await open_batch(kit, driver)
        await driver.close_batch(decided)
        await driver.cancel(cancelled)
        plain = await kit.push(driver, due=LONG)
        before = await driver.counts()
        for batch, kind in (
            (new_job_id(), RefusalKind.UNKNOWN_PARENT),
            (plain, RefusalKind.UNKNOWN_PARENT),
            (decided, RefusalKind.IMPOSSIBLE),
            (cancelled, RefusalKind.IMPOSSIBLE),
        ):
            answer = await driver.push([kit.job(), kit.job(batch=batch)])
            assert outcomes(answer) == [StoreOutcome.REFUSED] * 2
            assert answer[0].reason is not None
            assert answer[0].reason.kind is kind
            assert await driver.close_batch(batch) is False
        assert await driver.counts() == before

    @conformance_test(Capability.FLOWS, Capability.INSPECTION)
    async def test_batch_in_one_push(self, kit: SuiteContext) -> None:
        """A callback and its members may be pushed together, the callback first; members may have parents."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        callback = new_callback(kit)
        first = kit.job(due=kit.now() - kit.unit, batch=callback.job_id)
        second = kit.job(after=[first.job_id], batch=callback.job_id)
        refused = await driver.push([first, callback])
        assert outcomes(refused) == [StoreOutcome.REFUSED] * 2
        assert outcomes(await driver.push([callback, first, second])) == [STORED] * 3
        await driver.close_batch(callback.job_id)
        worker, claim = await claim_of(kit, driver, first.job_id)
        await worker.settle(Fail(first.job_id, claim.token, b"error"))
        assert await driver.status(second.job_id) is CANCELLED
        assert await members_of(driver, callback.job_id) == BatchCounts(failed=1, cancelled=1)
        assert await driver.status(callback.job_id) is PENDING

    @conformance_test(Capability.FLOWS, Capability.UNIQUE, Capability.INSPECTION)
    async def test_batch_a_duplicate_stands_for_its_holder(self, kit: SuiteContext) -> None:
        """A callback that is not stored, since its name is held, stands for the one that holds it."""
        driver = await kit.driver()
        holder, twice = (replace(new_callback(kit), unique=Unique("name")) for _ in range(2))
        await driver.push([holder])
        member = kit.job(batch=twice.job_id)
        assert outcomes(await driver.push([twice, member])) == [DUPLICATE, STORED]
        stored = await driver.get(member.job_id)
        assert stored is not None
        assert stored.batch == holder.job_id
        assert await driver.close_batch(holder.job_id)
        await finish(kit, driver, member.job_id)
        assert await members_of(driver, holder.job_id) == BatchCounts(completed=1)
        assert await kit.claimed(driver) == [holder.job_id]

    @conformance_test(Capability.FLOWS, Capability.UNIQUE, Capability.INSPECTION, Capability.CLEANUP)
    async def test_batch_nobody_asks_for_that_of_a_duplicate(self, kit: SuiteContext) -> None:
        """A job that is a duplicate joins nothing, even if it held the name itself before it was removed."""
        driver = await kit.driver()
        job = kit.job(unique=Unique("name", until=LONG))
        await driver.push([job])
        assert await driver.remove(job.job_id)
        assert outcomes(await driver.push([replace(job, batch=new_job_id())])) == [DUPLICATE]
        assert await driver.status(job.job_id) is None

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CANCEL, Capability.RESUME)
    async def test_batch_a_callback_that_waits_no_more(self, kit: SuiteContext) -> None:
        """A callback that was resumed or cancelled is not told of what ends later, nor held by what is rerun."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        resumed, cancelled = await open_batch(kit, driver), await open_batch(kit, driver)
        jobs = [kit.job(batch=batch) for batch in (resumed, cancelled)]
        await driver.push(jobs)
        assert await driver.resume(resumed)
        assert await driver.cancel(cancelled)
        worker = await kit.worker(driver)
        callback, *claims = await worker.claim(9)
        assert (callback.job_id, callback.members) == (resumed, BatchCounts())
        assert [claim.job_id for claim in claims] == [job.job_id for job in jobs]
        await worker.finish(*claims)
        assert await members_of(driver, cancelled) == BatchCounts()
        assert await driver.status(cancelled) is JobStatus.CANCELLED

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CLEANUP)
    async def test_batch_another_of_the_same_id(self, kit: SuiteContext) -> None:
        """Members of a batch that was removed are no members of a later one of its id."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        batch = await open_batch(kit, driver)
        old = await kit.push(driver, batch=batch, due=kit.now() - kit.unit)
        assert await driver.remove(batch)
        callback = replace(kit.job(job_id=batch), batch=batch)
        assert outcomes(await driver.push([callback])) == [STORED]
        await kit.push(driver, batch=batch, due=LONG)
        assert await driver.close_batch(batch) is True
        await finish(kit, driver, old)
        assert await members_of(driver, batch) == BatchCounts()
        assert await driver.status(batch) is WAITING

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CLEANUP)
    async def test_batch_another_job_of_a_members_id(self, kit: SuiteContext) -> None:
        """A job that has the id of a member that has gone is one more member: it holds the callback, and both count."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        batch = await open_batch(kit, driver)
        member = kit.job(due=kit.now() - kit.unit, batch=batch)
        for _ in range(2):
            await driver.push([member])
            await finish(kit, driver, member.job_id)
            assert await driver.remove(member.job_id)
        assert await members_of(driver, batch) == BatchCounts(completed=2)
        await driver.push([member])
        assert await driver.close_batch(batch)
        assert await driver.status(batch) is WAITING
        assert await driver.remove(member.job_id)
        _, claim = await claim_of(kit, driver, batch)
        assert claim.members == BatchCounts(completed=2, cancelled=1)

    @conformance_test(Capability.FLOWS, Capability.UNIQUE, Capability.CLEANUP, Capability.INSPECTION)
    async def test_batch_a_member_is_no_callback(self, kit: SuiteContext) -> None:
        """A duplicate may stand for a job that has gone, and has its name for a time: one of that id is no member."""
        driver = await kit.driver()
        gone, unique = kit.job(unique=Unique("name", until=LONG)), Unique("name")
        await driver.push([gone])
        assert await driver.remove(gone.job_id)
        duplicate = kit.job(unique=unique)
        answer = await driver.push([duplicate, kit.job(job_id=gone.job_id, batch=duplicate.job_id)])
        assert outcomes(answer) == [StoreOutcome.REFUSED] * 2
        assert answer[1].reason is not None
        assert answer[1].reason.kind is RefusalKind.UNKNOWN_PARENT
        assert await driver.get(gone.job_id) is None

    @conformance_test(Capability.FLOWS, Capability.UNIQUE)
    async def test_batch_a_callback_is_its_own(self, kit: SuiteContext) -> None:
        """A callback is that of its own batch, also if an earlier item of its id was a duplicate of another job."""
        driver = await kit.driver()
        holder, callback = await kit.push(driver, unique=Unique("name"), due=LONG), new_callback(kit)
        duplicate = kit.job(job_id=callback.job_id, unique=Unique("name"))
        member = kit.job(due=kit.now() - kit.unit, batch=callback.job_id)
        answer = await driver.push([duplicate, callback, member])
        assert outcomes(answer) == [DUPLICATE, STORED, STORED]
        assert [pushed.job_id for pushed in answer] == [holder, callback.job_id, member.job_id]
        assert await driver.close_batch(callback.job_id)
        await finish(kit, driver, member.job_id)
        _, claim = await claim_of(kit, driver, callback.job_id)
        assert claim.members == BatchCounts(completed=1)

    @conformance_test(Capability.FLOWS)
    async def test_batch_a_callback_has_no_parents(self, kit: SuiteContext) -> None:
        """A callback that is to run after other jobs as well is a `ValueError`."""
        driver = await kit.driver()
        parent = await kit.push(driver, keep_for=LONG)
        job_id = new_job_id()
        with pytest.raises(ValueError, match="callback"):
            await driver.push([kit.job(job_id=job_id, after=[parent], batch=job_id)])
