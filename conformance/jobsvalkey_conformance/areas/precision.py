"""Times to the smallest step that the store keeps, through each way that a job takes, and at each end of a time."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    Capability,
    Claim,
    Fail,
    Finish,
    JobCleanup,
    JobStatus,
    Operation,
    Release,
    Retry,
    SettleOutcome,
    WorkerClosed,
    retain_for,
)
from jobsvalkey_conformance.areas.retention import policy
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver

ODD = timedelta(seconds=3, microseconds=141_593)
"""A time that is no whole number of milliseconds."""
DAY = timedelta(days=1)


def in_steps(kit: SuiteContext, time: timedelta) -> timedelta:
    """A time in whole steps of the store's time."""
    return time - time % kit.harness.time_precision


async def pause_and_resume(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    """Give it back, and pause and resume it."""
    kit.needs(Capability.RESUME)
    await worker.settle(Release(claim.job_id, claim.token))
    assert await driver.pause(claim.job_id)
    await kit.advance(kit.unit)
    assert await driver.resume(claim.job_id)


async def release(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    """Give it back."""
    await kit.advance(kit.unit)
    assert await worker.settle(Release(claim.job_id, claim.token)) == [SettleOutcome.SETTLED]


async def closing(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    """Close its worker."""
    await kit.advance(kit.unit)
    await driver.close_worker(worker.id)


async def recovery(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    """Take it from its worker, which died."""
    await driver.renew(worker.id, kit.unit)
    await kit.advance(kit.unit)
    assert await driver.recover() == 1


Way = Callable[[SuiteContext, AnyDriver, Worker, Claim], Awaitable[None]]
WAYS: dict[str, Way] = {
    "resume": pause_and_resume,
    "release": release,
    "close": closing,
    "recovery": recovery,
}
"""The ways back to pending that leave the due time as it was."""


class PrecisionTests(Suite):
    """Times are kept to the smallest step; what ends at a time has ended at that instant, and not a step before."""

    @pytest.mark.parametrize("ways", [*([way] for way in WAYS), list(WAYS)], ids=lambda ways: " ".join(ways))
    @conformance_test(driven_clock=True)
    async def test_precision_a_due_time_survives(self, kit: SuiteContext, ways: list[str]) -> None:
        """Pending, due when it was due before: to the last step, and so in its place among those one step apart."""
        driver, step = await kit.driver(), kit.harness.time_precision
        await kit.advance(in_steps(kit, ODD))
        due = kit.now() - step
        job_id = await kit.push(driver, due=due)
        for way in ways:
            worker = await kit.worker(driver, DAY)
            claim = await worker.claim_one()
            assert (claim.job_id, claim.due) == (job_id, due)
            await WAYS[way](kit, driver, worker, claim)
        before, after = [await kit.push(driver, due=when) for when in (due - step, due + step)]
        claims = await (await kit.worker(driver)).claim(3)
        assert [(claim.job_id, claim.due) for claim in claims] == [
            (before, due - step),
            (job_id, due),
            (after, due + step),
        ]

    @pytest.mark.parametrize("way", ["push", "pause", "retry at", "retry in"])
    @conformance_test(driven_clock=True)
    async def test_precision_a_job_is_due_at_its_instant(self, kit: SuiteContext, way: str) -> None:
        """A job is due when its due time is now, not a step before; `until_next` says so to the step."""
        driver, step = await kit.driver(), kit.harness.time_precision
        await kit.advance(in_steps(kit, ODD))
        worker, delay = await kit.worker(driver, DAY), in_steps(kit, ODD)
        due = kit.now() + delay
        if way == "push":
            await kit.push(driver, due=due)
        elif way == "pause":
            kit.needs(Capability.RESUME)
            job_id = await kit.push(driver, due=delay)
            await driver.pause(job_id)
            await driver.resume(job_id)
        else:
            await kit.push(driver)
            claim = await worker.claim_one()
            when = due if way == "retry at" else delay
            await worker.settle(Retry(claim.job_id, claim.token, due=when))
        for left in (delay, step * 2, step):
            await kit.advance(due - left - kit.now())
            answer = await worker.exchange(limit=1)
            assert answer.claims == []
            assert answer.until_next == pytest.approx(left.total_seconds(), abs=step.total_seconds() / 10)
        await kit.advance(step)
        answer = await worker.exchange(limit=1)
        assert [claim.due for claim in answer.claims] == [due]
        assert answer.until_next is None

    @conformance_test(Capability.CLEANUP, driven_clock=True)
    async def test_precision_what_is_rerun_is_due_now(self, kit: SuiteContext) -> None:
        """rerun: due now, to the step, whatever it was due before."""
        driver, step = await kit.driver(retention_policy=RETAIN_ALL), kit.harness.time_precision
        job_id = await kit.in_state(driver, JobStatus.FAILED)
        await kit.advance(in_steps(kit, ODD))
        before, after = [await kit.push(driver, due=kit.now() + when) for when in (-step, step)]
        assert await driver.rerun(job_id)
        worker = await kit.worker(driver)
        claims = await worker.claim(3)
        assert [(claim.job_id, claim.due) for claim in claims] == [(before, kit.now() - step), (job_id, kit.now())]
        await kit.advance(step)
        assert (await worker.claim_one()).job_id == after

    @pytest.mark.parametrize("years", [0, 15])
    @conformance_test(driven_clock=True)
    async def test_precision_any_microsecond(self, kit: SuiteContext, years: int) -> None:
        """Times are kept to the microsecond, whichever it is, also when a float of seconds has room for fewer."""
        driver = await kit.driver()
        await kit.advance(years * 365 * DAY)
        worker = await kit.worker(driver)
        for number in range(20):
            await kit.advance(in_steps(kit, ODD) + number * kit.harness.time_precision)
            stored_at = kit.now()
            job_id = await kit.push(driver)
            for settlement in (Release, Retry, Finish):
                claim = await worker.claim_one()
                assert (claim.job_id, claim.stored_at, claim.due) == (job_id, stored_at, stored_at)
                assert await worker.settle(settlement(job_id, claim.token)) == [SettleOutcome.SETTLED]

    @conformance_test(Capability.INSPECTION, driven_clock=True)
    async def test_precision_what_is_shown(self, kit: SuiteContext) -> None:
        """Times are kept to the microsecond: of storing, of the claim, of the end, and when a job is due."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await kit.advance(in_steps(kit, ODD))
        stored_at = kit.now()
        job_id = await kit.push(driver, due=in_steps(kit, ODD))
        shown = await driver.get(job_id)
        assert shown is not None
        assert (shown.stored_at, shown.due) == (stored_at, stored_at + in_steps(kit, ODD))
        await kit.advance(in_steps(kit, ODD) * 3)
        worker, claimed_at = await kit.worker(driver), kit.now()
        claim = await worker.claim_one()
        await kit.advance(in_steps(kit, ODD))
        shown = await driver.get(job_id)
        assert shown is not None
        assert (shown.stored_at, shown.claimed_at) == (stored_at, claimed_at)
        assert (claim.stored_at, claim.due) == (stored_at, stored_at + in_steps(kit, ODD))
        await worker.finish(claim)
        shown = await driver.get(job_id)
        assert shown is not None
        assert (shown.stored_at, shown.ended_at) == (stored_at, kit.now())

    # -- the ends of times

    async def ends(self, kit: SuiteContext, time: timedelta, is_over: Callable[[], Awaitable[bool]]) -> None:
        """Check that something is over after a time, and not a step before."""
        end, step = kit.now() + time, kit.harness.time_precision
        await kit.advance(time - step)
        assert not await is_over(), "it is over before its time"
        await kit.advance(end - kit.now())
        assert await is_over(), "it is not over at its time"

    @conformance_test(driven_clock=True)
    async def test_precision_the_end_of_a_lock_for_a_claim(self, kit: SuiteContext) -> None:
        """A lock has run out when its end is now: an exchange then claims nothing, and says so; before, it claims."""
        driver = await kit.driver()
        await kit.advance(in_steps(kit, ODD))
        worker = await kit.worker(driver, in_steps(kit, ODD))
        await kit.push_many(driver, 2)

        async def is_over() -> bool:
            answer = await worker.exchange(limit=1)
            assert answer.lock_expired == (not answer.claims)
            assert answer.until_next == (None if answer.lock_expired else 0)
            return answer.lock_expired

        await self.ends(kit, in_steps(kit, ODD), is_over)

    @conformance_test(driven_clock=True)
    async def test_precision_the_end_of_a_lock_for_recovery(self, kit: SuiteContext) -> None:
        """recover takes the claims of a worker whose lock has run out by now, and asks for it at that instant."""
        driver = await kit.driver()
        await kit.advance(in_steps(kit, ODD))
        await kit.push(driver)
        worker = await kit.worker(driver, in_steps(kit, ODD))
        await worker.claim_one()

        async def is_over() -> bool:
            return await driver.recover() == 1

        await self.ends(kit, in_steps(kit, ODD), is_over)

    @conformance_test(Capability.INSPECTION, driven_clock=True)
    async def test_precision_the_end_of_a_lock_as_it_is_shown(self, kit: SuiteContext) -> None:
        """`load` counts, and `workers` lists, a worker until its lock runs out, and not at that instant."""
        driver = await kit.driver()
        await kit.advance(in_steps(kit, ODD))
        await kit.worker(driver, in_steps(kit, ODD))

        async def is_over() -> bool:
            count = (await driver.load()).workers
            assert count == len(await driver.workers())
            return count == 0

        await self.ends(kit, in_steps(kit, ODD), is_over)

    @conformance_test(driven_clock=True)
    async def test_precision_the_end_of_the_askers_lock(self, kit: SuiteContext) -> None:
        """recover(worker=…): at the instant at which its own lock runs out, it takes nothing any more."""
        driver = await kit.driver()
        await kit.advance(in_steps(kit, ODD))
        await kit.push_many(driver, 2)
        dead, asker = await kit.worker(driver, kit.harness.time_precision), await kit.worker(driver, in_steps(kit, ODD))
        await dead.claim(2)
        await kit.advance(kit.harness.time_precision)
        assert await driver.recover(1, worker=asker.id) == 1
        await kit.advance(in_steps(kit, ODD) - kit.harness.time_precision)
        assert await driver.recover(1, worker=asker.id) == 0
        assert await driver.recover(1) == 1

    @conformance_test(driven_clock=True)
    async def test_precision_the_end_of_a_workers_memory(self, kit: SuiteContext) -> None:
        """A worker whose lock ran out 24 hours ago is not known; a step before, a renewal brings it back."""
        driver = await kit.driver()
        await kit.advance(in_steps(kit, ODD))
        kept, lost = await kit.worker(driver, in_steps(kit, ODD)), await kit.worker(driver, in_steps(kit, ODD))
        await kit.advance(in_steps(kit, ODD) + DAY - kit.harness.time_precision)
        assert (await lost.exchange()).lock_expired
        await driver.renew(kept.id, kit.unit)
        await kit.advance(kit.harness.time_precision)
        for step in (lost.exchange(limit=1), driver.renew(lost.id, kit.unit)):
            with pytest.raises(WorkerClosed):
                await step
        assert not (await kept.exchange()).lock_expired

    @conformance_test(driven_clock=True)
    async def test_precision_the_end_of_a_producers_memory(self, kit: SuiteContext) -> None:
        """A producer is remembered for 10 minutes after its last use, and forgotten at that instant."""
        driver, job = await kit.driver(), kit.job()
        await kit.advance(in_steps(kit, ODD))
        operation = Operation("producer", 1)
        await driver.push([job], operation=operation)
        worker = await kit.worker(driver, DAY)
        await worker.finish(await worker.claim_one())
        memory = timedelta(minutes=10)
        await kit.advance(memory - kit.harness.time_precision)
        await driver.push([job], operation=operation)
        assert await worker.claim() == []
        await kit.advance(memory)
        await driver.push([job], operation=operation)
        assert (await worker.claim_one()).job_id == job.job_id

    @pytest.mark.parametrize("way", ["finish", "fail", "cancel", "remove", "count", "age"])
    @conformance_test(driven_clock=True)
    async def test_precision_the_end_of_a_window(self, kit: SuiteContext, way: str) -> None:
        """An id that a user gave is remembered for `idempotency_window` after its job became absent, however it did."""
        kept = {"remove": RETAIN_ALL, "age": policy(retain_for(in_steps(kit, ODD)))}
        driver = await kit.driver(
            retention_policy=kept.get(way) or policy(DO_NOT_RETAIN), idempotency_window=in_steps(kit, ODD)
        )
        await kit.advance(in_steps(kit, ODD))
        job = kit.job(remember=True)
        await driver.push([job])
        if way == "cancel":
            kit.needs(Capability.CANCEL)
            assert await driver.cancel(job.job_id)
        else:
            worker = await kit.worker(driver)
            claim = await worker.claim_one()
            settlement = Fail(job.job_id, claim.token, b"error") if way == "fail" else None
            await worker.settle(settlement or Finish(job.job_id, claim.token))
        if way == "remove":
            kit.needs(Capability.CLEANUP)
            await kit.advance(in_steps(kit, ODD))
            assert await driver.remove(job.job_id)
        if way == "age":
            await kit.advance(in_steps(kit, ODD))

        async def is_over() -> bool:
            answer = outcomes(await driver.push([job]))
            assert answer in ([STORED], [DUPLICATE])
            return answer == [STORED]

        await self.ends(kit, in_steps(kit, ODD), is_over)

    @pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
    @conformance_test(driven_clock=True)
    async def test_precision_the_end_of_retention(self, kit: SuiteContext, status: JobStatus) -> None:
        """A finished job is present until its age reaches `max_age`: at that instant its id is free."""
        driver = await kit.driver(retention_policy=policy(retain_for(in_steps(kit, ODD))))
        await kit.advance(in_steps(kit, ODD))
        job_id = await kit.in_state(driver, status)

        async def is_over() -> bool:
            return outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]

        await self.ends(kit, in_steps(kit, ODD), is_over)

    @pytest.mark.parametrize("by", ["age", "keep_for"])
    @pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
    @conformance_test(Capability.INSPECTION, driven_clock=True)
    async def test_precision_the_end_of_what_is_shown(self, kit: SuiteContext, status: JobStatus, by: str) -> None:
        """Each look at a queue shows a job that has ended until its time is over, and none does at that instant."""
        if by == "keep_for":
            kit.needs(Capability.RESULTS)
        time = in_steps(kit, ODD)
        driver = await kit.driver(retention_policy=policy(retain_for(time) if by == "age" else DO_NOT_RETAIN))
        await kit.advance(time)
        job_id = await kit.in_state(driver, status, keep_for=time if by == "keep_for" else None)

        async def is_over() -> bool:
            looks = {
                "status": await driver.status(job_id) is None,
                "get": await driver.get(job_id) is None,
                "counts": (await driver.counts())[status] == 0,
                "page": not (await driver.page(status)).jobs,
            }
            assert len(set(looks.values())) == 1, looks
            return looks["get"]

        await self.ends(kit, time, is_over)

    @conformance_test(Capability.RESULTS, driven_clock=True)
    async def test_precision_the_end_of_a_kept_job(self, kit: SuiteContext) -> None:
        """A job with `keep_for` is absent when that time is over, and not a step before."""
        driver = await kit.driver(retention_policy=policy(DO_NOT_RETAIN))
        await kit.advance(in_steps(kit, ODD))
        job_id = await kit.push(driver, keep_for=in_steps(kit, ODD))
        worker = await kit.worker(driver, DAY)
        await worker.finish(await worker.claim_one())

        async def is_over() -> bool:
            shown = await driver.ended([job_id], timedelta(0))
            is_absent = outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]
            assert is_absent == (shown == [None])
            return is_absent

        await self.ends(kit, in_steps(kit, ODD), is_over)

    @conformance_test(Capability.METADATA, driven_clock=True)
    async def test_precision_the_end_of_a_metadata_lock(self, kit: SuiteContext) -> None:
        """A lock ends its time from now: at that instant it counts as absent, and a value may take its place."""
        driver = await kit.driver()
        await kit.advance(in_steps(kit, ODD))
        assert await driver.acquire_lock("lock", b"one", in_steps(kit, ODD))

        async def is_over() -> bool:
            is_free = await driver.get_metadata("lock") is None
            assert await driver.acquire_lock("lock", b"other", DAY) is is_free
            return is_free

        await self.ends(kit, in_steps(kit, ODD), is_over)

    @pytest.mark.parametrize("status", list(JobStatus))
    @conformance_test(Capability.CLEANUP, driven_clock=True)
    async def test_precision_the_age_of_a_cleanup(self, kit: SuiteContext, status: JobStatus) -> None:
        """A cleanup takes jobs that are at least `max_age` old: at that instant, and not a step before."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await kit.advance(in_steps(kit, ODD))
        await kit.in_state(driver, status)
        cleanup = JobCleanup("remove", in_steps(kit, ODD))

        async def is_over() -> bool:
            return await driver.cleanup_step(status, cleanup, max_jobs=5) == 1

        await self.ends(kit, in_steps(kit, ODD), is_over)
