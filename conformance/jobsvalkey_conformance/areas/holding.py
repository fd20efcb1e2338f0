"""How long a job holds its unique name."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    RETAIN,
    AbortOutcome,
    Cancel,
    Capability,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    Release,
    Retention,
    Retry,
    Unique,
)
from jobsvalkey_conformance.areas.retention import policy
from jobsvalkey_conformance.areas.unique import END, REPLACING, START, pushed
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, REPLACED, RETAIN_ALL, STORED, SuiteContext
from jobsvalkey_conformance.harness import AnyDriver

EXITS = (
    *("finish", "finish with a result", "fail", "fail, kept", "cancel", "remove", "cleanup", "cleanup while it runs"),
    *("abort", "abort while it runs", "abort, then release", "abort, then close", "abort, then recovery"),
)
each_exit: pytest.MarkDecorator = pytest.mark.parametrize("how", EXITS)
NEEDED = (Capability.UNIQUE, Capability.INSPECTION, Capability.ABORT, Capability.CANCEL, Capability.CLEANUP)


async def end(kit: SuiteContext, driver: AnyDriver, job_id: JobID, how: str) -> None:
    """Bring a job that is due to its end."""
    if how in ("cancel", "remove"):
        assert await getattr(driver, how)(job_id)
        return
    if how == "abort":
        assert await driver.abort(job_id) is AbortOutcome.CANCELLED
        return
    if how == "cleanup":
        assert await driver.cleanup_step(JobStatus.PENDING, JobCleanup("remove"), max_jobs=10) == 1
        return
    worker = await kit.worker(driver, kit.unit)
    claim = await worker.claim_one()
    assert claim.job_id == job_id
    if how.startswith("abort"):
        assert await driver.abort(job_id) is AbortOutcome.REQUESTED
    match how:
        case "finish":
            await worker.finish(claim)
        case "finish with a result":
            kit.needs(Capability.RESULTS)
            await worker.settle(Finish(job_id, claim.token, b"result"))
        case "fail" | "fail, kept":
            await worker.settle(Fail(job_id, claim.token, b"error", keep=how == "fail, kept"))
        case "abort while it runs":
            await worker.settle(Cancel(job_id, claim.token))
        case "abort, then release":
            await worker.settle(Release(job_id, claim.token))
        case "abort, then close":
            await driver.close_worker(worker.id)
        case "abort, then recovery":
            await kit.advance(kit.unit)
            assert await driver.recover() == 1
        case _:
            assert await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup("remove"), max_jobs=10) == 1


async def go_back(kit: SuiteContext, driver: AnyDriver, job_id: JobID, how: str) -> None:
    """Let a job that is due be claimed and go back, or (`pause`) be paused."""
    if how == "pause":
        assert await driver.pause(job_id)
        return
    worker = await kit.worker(driver, kit.unit)
    claim = await worker.claim_one()
    assert claim.job_id == job_id
    if how.startswith("retry"):
        await worker.settle(Retry(job_id, claim.token, b"again", kit.unit if how == "retry later" else None))
    elif how == "release":
        await worker.settle(Release(job_id, claim.token))
    elif how == "close":
        await driver.close_worker(worker.id)
    else:
        await kit.advance(kit.unit)
        assert await driver.recover() == 1


class HoldingTests(Suite):
    """`Unique(until=…)`."""

    @each_exit
    @pytest.mark.parametrize("retention", [DO_NOT_RETAIN, RETAIN], ids=["dropped", "retained"])
    @conformance_test(*NEEDED)
    async def test_holding_every_end_frees_it(self, kit: SuiteContext, how: str, retention: Retention) -> None:
        """However a job ends, its name is free: the next job takes it, and keeps it."""
        driver = await kit.driver(retention_policy=policy(retention))
        await end(kit, driver, await kit.push(driver, unique=END), how)
        second = kit.job(due=kit.unit, unique=END)
        assert await pushed(driver, second) == [(STORED, second.job_id)]
        assert await pushed(driver, kit.job(unique=END)) == [(DUPLICATE, second.job_id)]
        assert await driver.validate() == []

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED])
    @conformance_test(Capability.UNIQUE, Capability.EXPIRY, Capability.RESUME)
    async def test_holding_an_expiry_frees_it(self, kit: SuiteContext, status: JobStatus) -> None:
        """A job that expires has ended: its name is free once an exchange has seen to it."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job = kit.job(due=kit.unit * 9, expires=kit.unit, unique=END)
        await driver.push([job])
        if status is JobStatus.PAUSED:
            assert await driver.pause(job.job_id)
        await kit.advance(kit.unit)
        assert await kit.claimed(driver) == []
        second = kit.job(due=kit.unit, unique=END)
        assert await pushed(driver, second) == [(STORED, second.job_id)]

    @pytest.mark.parametrize("unique", [END, START], ids=["end", "start"])
    @pytest.mark.parametrize("how", ["remove", "cleanup"])
    @conformance_test(*NEEDED)
    async def test_holding_what_is_left_of_a_job_frees_nothing(
        self, kit: SuiteContext, how: str, unique: Unique
    ) -> None:
        """The end of a retained job freed its name; its removal does not take it from the next holder."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        first = await kit.in_state(driver, JobStatus.COMPLETED, unique=unique)
        second = await kit.push(driver, due=kit.unit, unique=unique)
        if how == "remove":
            assert await driver.remove(first)
        else:
            assert await driver.cleanup_step(JobStatus.COMPLETED, JobCleanup("remove"), max_jobs=10) == 1
        assert await pushed(driver, kit.job(unique=unique)) == [(DUPLICATE, second)]

    @pytest.mark.parametrize("how", ["retry", "retry later", "release", "close", "recovery", "pause"])
    @conformance_test(Capability.UNIQUE, Capability.RESUME)
    async def test_holding_a_job_that_goes_on_holds_it(self, kit: SuiteContext, how: str) -> None:
        """retry, release, closing, recovery and pause: the job holds its name, and is not refused for it."""
        driver = await kit.driver()
        job_id = await kit.push(driver, unique=END)
        await go_back(kit, driver, job_id, how)
        assert await pushed(driver, kit.job(due=kit.unit * 5, unique=END)) == [(DUPLICATE, job_id)]
        await kit.advance(kit.unit * 2)
        if how == "pause":
            assert await driver.resume(job_id)
        assert await kit.claimed(driver) == [job_id]

    # -- until "start"

    @pytest.mark.parametrize("how", ["retry", "release", "close", "recovery"])
    @conformance_test(Capability.UNIQUE, Capability.INSPECTION)
    async def test_holding_a_claim_frees_it(self, kit: SuiteContext, how: str) -> None:
        """until "start": free once claimed; a job that goes back does not take it again, nor fails for it."""
        driver = await kit.driver()
        first = await kit.push(driver, unique=START)
        assert await pushed(driver, kit.job(unique=START)) == [(DUPLICATE, first)]
        await go_back(kit, driver, first, how)
        second = kit.job(b"second", due=kit.unit * 2, unique=START)
        assert await pushed(driver, second) == [(STORED, second.job_id)]
        assert await driver.status(first) is JobStatus.PENDING
        assert await pushed(driver, kit.job(unique=START)) == [(DUPLICATE, second.job_id)]
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert claim.job_id == first
        await worker.finish(claim)
        assert await pushed(driver, kit.job(unique=START)) == [(DUPLICATE, second.job_id)]

    @conformance_test(Capability.UNIQUE, Capability.INSPECTION)
    async def test_holding_what_was_claimed_once_is_not_replaced(self, kit: SuiteContext) -> None:
        """until "start": a job that was claimed holds no name, so that a push is stored beside it."""
        driver = await kit.driver()
        first = await kit.push(driver, b"first", unique=START)
        await go_back(kit, driver, first, "release")
        second = kit.job(b"second", unique=Unique("name", "start", "replace"))
        assert await pushed(driver, second) == [(STORED, second.job_id)]
        stored = await driver.get(first)
        assert stored is not None
        assert stored.request == b"first"

    # -- for a time

    @pytest.mark.parametrize("how", [None, *EXITS])
    @conformance_test(*NEEDED)
    async def test_holding_a_time_is_that_of_the_push(self, kit: SuiteContext, how: str | None) -> None:
        """until a time: held for so long from the push, whatever becomes of the job, and free from then on."""
        driver = await kit.driver(retention_policy=policy(DO_NOT_RETAIN))
        unique = Unique("name", kit.unit * 4)
        first = await kit.push(driver, due=None if how else kit.unit * 9, unique=unique)
        if how:
            await end(kit, driver, first, how)
        used = kit.unit if how == "abort, then recovery" else timedelta(0)
        if kit.clock is not None:
            await kit.advance(kit.unit * 4 - used - kit.harness.time_precision)
        for otherwise in ("skip", "replace") if how else ("skip",):
            again = kit.job(unique=Unique("name", kit.unit * 4, otherwise))
            assert await pushed(driver, again) == [(DUPLICATE, first)]
        await kit.advance(kit.unit * 4 - used if kit.clock is None else kit.harness.time_precision)
        second = kit.job(unique=unique)
        assert await pushed(driver, second) == [(STORED, second.job_id)]
        assert await pushed(driver, kit.job(unique=unique)) == [(DUPLICATE, second.job_id)]
        if how is None:
            # The first is there yet. Its end is nothing to the name.
            assert await driver.cancel(first)
            assert await pushed(driver, kit.job(unique=END)) == [(DUPLICATE, second.job_id)]

    @conformance_test(Capability.UNIQUE)
    async def test_holding_the_time_of_a_replacement_begins_anew(self, kit: SuiteContext) -> None:
        """`replace` until a time: the name is held as the last push says, from that push on."""
        driver = await kit.driver()
        unique = Unique("name", kit.unit * 2, "replace")
        first = await kit.push(driver, due=kit.unit * 9, unique=unique)
        await kit.advance(kit.unit)
        assert await pushed(driver, kit.job(due=kit.unit * 9, unique=unique)) == [(REPLACED, first)]
        await kit.advance(kit.unit)
        assert await pushed(driver, kit.job(unique=Unique("name", kit.unit))) == [(DUPLICATE, first)]
        await kit.advance(kit.unit)
        second = kit.job(unique=Unique("name", kit.unit))
        assert await pushed(driver, second) == [(STORED, second.job_id)]

    @pytest.mark.parametrize("first", ["end", "time"])
    @conformance_test(Capability.UNIQUE, Capability.CANCEL)
    async def test_holding_the_last_push_says_until_when(self, kit: SuiteContext, first: str) -> None:
        """`replace`: whether the name ends with the job or with a time is what the last push says."""
        driver = await kit.driver()
        kinds = {"end": Unique("name", otherwise="replace"), "time": Unique("name", kit.unit * 2, "replace")}
        last = "time" if first == "end" else "end"
        holder = await kit.push(driver, due=kit.unit * 9, unique=kinds[first])
        assert await pushed(driver, kit.job(due=kit.unit * 9, unique=kinds[last])) == [(REPLACED, holder)]
        if last == "end":
            await kit.advance(kit.unit * 3)
            await driver.recover()  # gives up what is over
            assert await pushed(driver, kit.job(unique=END)) == [(DUPLICATE, holder)]
        assert await driver.cancel(holder)
        new = kit.job(unique=END)
        assert await pushed(driver, new) == [(STORED, new.job_id) if last == "end" else (DUPLICATE, holder)]

    @pytest.mark.parametrize("other", [None, Unique("other")], ids=["no name", "another name"])
    @conformance_test(Capability.UNIQUE, Capability.CLEANUP, Capability.INSPECTION)
    async def test_holding_another_job_of_the_holders_id(self, kit: SuiteContext, other: Unique | None) -> None:
        """A name that is held for a time by a job that is gone: a new job of that id is not replaced for it."""
        driver = await kit.driver()
        job_id = await kit.push(driver, due=kit.unit, unique=Unique("name", kit.unit * 3))
        assert await driver.remove(job_id)
        assert await pushed(driver, kit.job(b"new", due=kit.unit, job_id=job_id, unique=other)) == [(STORED, job_id)]
        assert await pushed(driver, kit.job(b"third", unique=REPLACING)) == [(DUPLICATE, job_id)]
        stored = await driver.get(job_id)
        assert stored is not None
        assert stored.request == b"new"

    # -- reruns

    @pytest.mark.parametrize("unique", [END, START], ids=["end", "start"])
    @pytest.mark.parametrize("by", ["rerun", "cleanup"])
    @conformance_test(Capability.UNIQUE, Capability.CLEANUP, Capability.INSPECTION)
    async def test_holding_a_rerun_takes_it_again(self, kit: SuiteContext, by: str, unique: Unique) -> None:
        """rerun: the job holds its name again, or, if another has it, is not rerun, and nothing changes."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        first = await kit.in_state(driver, JobStatus.FAILED, unique=unique)
        second = await kit.push(driver, due=kit.unit, unique=unique)

        async def rerun() -> bool:
            if by == "rerun":
                return await driver.rerun(first)
            return await driver.cleanup_step(JobStatus.FAILED, JobCleanup("rerun"), max_jobs=10) == 1

        before = await driver.get(first)
        assert not await rerun()
        assert await driver.get(first) == before
        assert await pushed(driver, kit.job(unique=unique)) == [(DUPLICATE, second)]
        assert await driver.remove(second)
        assert await rerun()
        assert await driver.status(first) is JobStatus.PENDING
        assert await pushed(driver, kit.job(unique=unique)) == [(DUPLICATE, first)]

    @conformance_test(Capability.UNIQUE, Capability.CLEANUP, Capability.INSPECTION)
    async def test_holding_of_several_one_is_run_anew(self, kit: SuiteContext) -> None:
        """cleanup, rerun: of the jobs with one name the oldest takes it, and the others are passed over."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ended: list[JobID] = []
        for _ in range(3):
            ended.append(await kit.in_state(driver, JobStatus.FAILED, unique=END))
            await kit.advance(kit.unit / 10)
        plain = await kit.in_state(driver, JobStatus.FAILED)
        assert await driver.cleanup_step(JobStatus.FAILED, JobCleanup("rerun"), max_jobs=2) == 2
        states = [await driver.status(job_id) for job_id in (*ended, plain)]
        assert states == [JobStatus.PENDING, JobStatus.FAILED, JobStatus.FAILED, JobStatus.PENDING]

    @conformance_test(Capability.UNIQUE, Capability.CLEANUP, Capability.INSPECTION)
    async def test_holding_a_time_is_not_taken_again(self, kit: SuiteContext) -> None:
        """rerun of a job that held its name for a time: it runs, whoever has the name, and takes nothing."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        first = await kit.in_state(driver, JobStatus.FAILED, unique=Unique("name", kit.unit))
        await kit.advance(kit.unit)
        second = await kit.push(driver, due=kit.unit * 5, unique=END)
        assert await driver.rerun(first)
        assert await pushed(driver, kit.job(unique=END)) == [(DUPLICATE, second)]
        assert await driver.remove(second)
        third = kit.job(unique=END)
        assert await pushed(driver, third) == [(STORED, third.job_id)]

    @conformance_test(Capability.UNIQUE, Capability.CLEANUP, Capability.INSPECTION)
    async def test_holding_a_rerun_while_another_has_it_for_a_time(self, kit: SuiteContext) -> None:
        """rerun: `False` until the time is over for which another job has the name, also if that has ended."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        first = await kit.in_state(driver, JobStatus.FAILED, unique=END)
        await kit.in_state(driver, JobStatus.COMPLETED, unique=Unique("name", kit.unit))
        assert await driver.rerun(first) is False
        await kit.advance(kit.unit)
        assert await driver.rerun(first) is True
        assert await pushed(driver, kit.job(unique=END)) == [(DUPLICATE, first)]

    @pytest.mark.parametrize("unique", [END, START], ids=["end", "start"])
    @conformance_test(Capability.UNIQUE, Capability.CLEANUP, Capability.INSPECTION)
    async def test_holding_a_running_job_that_is_run_anew(self, kit: SuiteContext, unique: Unique) -> None:
        """cleanup, rerun of a running job: it goes back with what it has; one that freed its name does without."""
        driver = await kit.driver()
        first = await kit.in_state(driver, JobStatus.PROCESSING, unique=unique)
        second = kit.job(due=kit.unit, unique=unique)
        is_free = unique.until == "start"
        assert await pushed(driver, second) == [(STORED, second.job_id) if is_free else (DUPLICATE, first)]
        assert await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup("rerun"), max_jobs=10) == 1
        assert await driver.status(first) is JobStatus.PENDING
        holder = second.job_id if is_free else first
        assert await pushed(driver, kit.job(unique=unique)) == [(DUPLICATE, holder)]
