"""Jobs that take the place of the one that holds their name."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    Capability,
    Fail,
    JobStatus,
    Release,
    Report,
    Retention,
    RetentionPolicy,
    Retry,
    SettleOutcome,
    Unique,
)
from jobsvalkey_conformance.areas.unique import END, REPLACING, pushed
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, REPLACED, RETAIN_ALL, STORED, SuiteContext
from jobsvalkey_conformance.hints import woken


class ReplacingTests(Suite):
    """`Unique(otherwise="replace")`."""

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED])
    @conformance_test(Capability.UNIQUE, Capability.INSPECTION, Capability.RESUME)
    async def test_replacing_a_job_that_waits_is_replaced(self, kit: SuiteContext, status: JobStatus) -> None:
        """`replace`: the holder has the new request, due time and options; its id, time stored and pausedness stay."""
        driver = await kit.driver()
        before = kit.now()
        holder = await kit.in_state(driver, status, unique=END)
        first = await driver.get(holder)
        await kit.advance(kit.unit)
        due = kit.now() + kit.unit * 3
        new = kit.job(b"new", due=due, unique=Unique("name", "start", "replace"))
        assert await pushed(driver, new) == [(REPLACED, holder)]
        assert await driver.get(new.job_id) is None
        stored = await driver.get(holder)
        assert stored is not None
        assert first is not None
        assert (stored.status, stored.request, stored.unique) == (status, b"new", new.unique)
        assert kit.same_time(stored.due, due)
        assert stored.stored_at == first.stored_at
        assert kit.same_time(stored.stored_at, before)
        assert [job.job_id async for job in driver.jobs(status)] == [holder]
        await kit.advance(kit.unit * 3)
        if status is JobStatus.PAUSED:
            assert await kit.claimed(driver) == []
            assert await driver.resume(holder)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert (claim.job_id, claim.request, claim.stored_at) == (holder, b"new", first.stored_at)

    @conformance_test(Capability.UNIQUE, Capability.RESULTS, Capability.INSPECTION)
    async def test_replacing_options_are_the_new_ones(self, kit: SuiteContext) -> None:
        """`replace`: how long the job is kept is what the last push says, also if that says nothing."""
        driver = await kit.driver()
        holder = await kit.push(driver, due=kit.unit, keep_for=kit.unit, unique=END)
        for keep_for in (kit.unit * 2, None):
            await driver.push([kit.job(due=kit.unit, keep_for=keep_for, unique=REPLACING)])
            stored = await driver.get(holder)
            assert stored is not None
            assert stored.keep_for == keep_for

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED])
    @conformance_test(Capability.UNIQUE, Capability.EXPIRY, Capability.RESUME, Capability.INSPECTION)
    async def test_replacing_the_expiry_is_the_new_one(self, kit: SuiteContext, status: JobStatus) -> None:
        """`replace`: when the job expires is what the last push says, also if that says never."""
        driver = await kit.driver()
        for first, last in ((1, 3), (1, None), (None, 1)):
            expiries = [None if units is None else kit.unit * units for units in (first, last)]
            unique = Unique(f"{first} {last}", otherwise="replace")
            jobs = [kit.job(due=kit.unit * 9, expires=expires, unique=unique) for expires in expiries]
            assert await pushed(driver, jobs[0]) == [(STORED, jobs[0].job_id)]
            if status is JobStatus.PAUSED:
                assert await driver.pause(jobs[0].job_id)
            assert await pushed(driver, jobs[1]) == [(REPLACED, jobs[0].job_id)]
        await kit.advance(kit.unit)
        assert await kit.claimed(driver) == []
        assert [job.unique and job.unique.key async for job in driver.jobs(status)] == ["1 3", "1 None"]
        await kit.advance(kit.unit * 2)
        assert await kit.claimed(driver) == []
        assert [job.unique and job.unique.key async for job in driver.jobs(status)] == ["1 None"]

    @pytest.mark.parametrize("rerun", [False, True])
    @conformance_test(Capability.UNIQUE, Capability.INSPECTION, Capability.CLEANUP)
    async def test_replacing_the_past_of_the_replaced_is_gone(self, kit: SuiteContext, rerun: bool) -> None:
        """`replace`: error, recoveries and `reset_attempt` are cleared; what was pushed now has failed nowhere."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        past = kit.now() - kit.unit
        holder = await kit.push(driver, b"old", due=past, unique=END)
        first = await kit.worker(driver, kit.unit)
        claim = await first.claim_one()
        if rerun:
            await first.settle(Fail(holder, claim.token, b"error"))
            assert await driver.rerun(holder)
        else:
            await first.settle(Retry(holder, claim.token, b"attempt 2", past, b"error"))
        await first.claim_one()
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        assert await pushed(driver, kit.job(b"new", unique=REPLACING)) == [(REPLACED, holder)]
        claim = await (await kit.worker(driver)).claim_one()
        assert (claim.job_id, claim.request) == (holder, b"new")
        assert (claim.recoveries, claim.reset_attempt, claim.error) == (0, False, None)

    @conformance_test(Capability.UNIQUE, Capability.REPORTS, Capability.INSPECTION)
    async def test_replacing_what_was_reported_is_gone(self, kit: SuiteContext) -> None:
        """`replace`: what the handlers of the replaced job have reported is cleared for the new one."""
        driver = await kit.driver()
        holder = await kit.push(driver, b"old", unique=END)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        report = Report(holder, claim.token, b"1", b"state")
        assert (await worker.exchange(reports=[report])).reported == [SettleOutcome.SETTLED]
        await worker.settle(Release(holder, claim.token))
        stored = await driver.get(holder)
        assert stored is not None
        assert stored.progress == b"1"
        assert await pushed(driver, kit.job(b"new", unique=REPLACING)) == [(REPLACED, holder)]
        stored = await driver.get(holder)
        assert stored is not None
        assert stored.progress is None
        claim = await worker.claim_one()
        assert (claim.job_id, claim.request, claim.state) == (holder, b"new", None)

    @pytest.mark.parametrize("unique", [END, Unique("name", timedelta(days=1))], ids=["end", "timed"])
    @conformance_test(Capability.UNIQUE, Capability.INSPECTION)
    async def test_replacing_a_job_that_runs_is_not_replaced(self, kit: SuiteContext, unique: Unique) -> None:
        """`replace` while the holder runs is as `skip`."""
        driver = await kit.driver()
        holder = await kit.push(driver, b"old", unique=unique)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        new = kit.job(b"new", unique=REPLACING)
        assert await pushed(driver, new) == [(DUPLICATE, holder)]
        stored = await driver.get(holder)
        assert stored is not None
        assert (stored.status, stored.request) == (JobStatus.PROCESSING, b"old")
        assert await driver.get(new.job_id) is None
        await worker.finish(claim)

    @conformance_test(Capability.UNIQUE)
    async def test_replacing_a_replaced_job_has_a_new_place(self, kit: SuiteContext) -> None:
        """`replace`: the job stands in the order where its new due time puts it, and the time until it is that."""
        driver = await kit.driver()
        now = kit.now()
        holder = await kit.push(driver, due=now - kit.unit, unique=END)
        other = await kit.push(driver, due=now - kit.unit / 2)
        await driver.push([kit.job(b"new", due=now - kit.unit / 4, unique=REPLACING)])
        assert await kit.claimed(driver, 2) == [other, holder]

    @conformance_test(Capability.UNIQUE, hints=True)
    async def test_replacing_a_replacement_is_a_hint(self, kit: SuiteContext) -> None:
        """`replace`: a worker that waits is woken, if the job is now due."""
        driver = await kit.driver(poll_time=timedelta(hours=1))
        holder = await kit.push(driver, due=timedelta(hours=2), unique=END)
        worker = await kit.worker(driver)
        assert await worker.claim() == []
        async with woken(worker):
            await driver.push([kit.job(unique=REPLACING)])
        assert (await worker.claim_one()).job_id == holder

    @conformance_test(Capability.UNIQUE, Capability.FLOWS, Capability.CANCEL)
    async def test_replacing_whatever_had_the_holders_id(self, kit: SuiteContext) -> None:
        """`replace`: what is left of an earlier job of the holder's id, such as a batch, says nothing of the holder."""
        policy = RetentionPolicy(cancelled_jobs=Retention(max_age=kit.unit))
        driver = await kit.driver(retention_policy=policy)
        holder = kit.job(unique=END)
        await driver.push([kit.job(job_id=holder.job_id, batch=holder.job_id)])
        assert await driver.cancel(holder.job_id)
        await kit.advance(kit.unit)
        assert await pushed(driver, holder, kit.job(unique=REPLACING)) == [
            (STORED, holder.job_id),
            (REPLACED, holder.job_id),
        ]

    @conformance_test(Capability.UNIQUE)
    async def test_replacing_nobodys_id_stays_nobodys(self, kit: SuiteContext) -> None:
        """`replace`: whether the holder's id is remembered stays: one that was not to be is free after its end."""
        driver = await kit.driver()
        holder, new = kit.job(unique=END), kit.job(remember=True, unique=REPLACING)
        await driver.push([holder])
        assert await pushed(driver, new) == [(REPLACED, holder.job_id)]
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        assert await pushed(driver, kit.job(job_id=holder.job_id)) == [(STORED, holder.job_id)]

    @conformance_test(Capability.UNIQUE)
    async def test_replacing_ids_of_users_stay_with_their_jobs(self, kit: SuiteContext) -> None:
        """`replace`: the holder's id is remembered after its end if it was to be; that of the new push is not."""
        driver = await kit.driver()
        holder, new = kit.job(remember=True, unique=END), kit.job(remember=True, unique=REPLACING)
        await driver.push([holder])
        assert await pushed(driver, new) == [(REPLACED, holder.job_id)]
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        assert await pushed(driver, holder, kit.job(job_id=new.job_id)) == [
            (DUPLICATE, holder.job_id),
            (STORED, new.job_id),
        ]

    @conformance_test(Capability.UNIQUE)
    async def test_replacing_in_one_push_the_id_stays_remembered(self, kit: SuiteContext) -> None:
        """`replace`: an id that is to be remembered is, also if its job is replaced in the push that it comes with."""
        driver = await kit.driver()
        first, second = kit.job(remember=True, unique=END), kit.job(b"second", unique=REPLACING)
        assert await pushed(driver, first, second) == [(STORED, first.job_id), (REPLACED, first.job_id)]
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert claim.request == b"second"
        await worker.finish(claim)
        assert await pushed(driver, first) == [(DUPLICATE, first.job_id)]

    @conformance_test(Capability.UNIQUE, Capability.FLOWS)
    async def test_replacing_in_one_push_leaves_a_child(self, kit: SuiteContext) -> None:
        """`replace`: a job with parents is not replaced, also not in the push that it comes with."""
        driver = await kit.driver()
        parent = kit.job()
        child = kit.job(b"child", unique=END, after=(parent.job_id,))
        answer = await pushed(driver, parent, child, kit.job(b"other", unique=REPLACING))
        assert answer == [(STORED, parent.job_id), (STORED, child.job_id), (DUPLICATE, child.job_id)]
        worker = await kit.worker(driver)
        claims = await worker.claim(9)
        assert [claim.job_id for claim in claims] == [parent.job_id]
        await worker.finish(*claims)
        assert (await worker.claim_one()).request == b"child"
