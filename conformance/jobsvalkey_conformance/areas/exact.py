"""Names, tokens and numbers are taken as they are: whole, by every letter and sign, and zero is none."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    RETAIN,
    Capability,
    Claim,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    Release,
    RetentionPolicy,
    SettleOutcome,
    retain_for,
    retain_last,
)
from jobsvalkey_conformance.areas.retention import policy
from jobsvalkey_conformance.areas.settle import SETTLEMENTS
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, PATIENCE, RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.hints import LONG, take_old_hints

DAY = timedelta(days=1)
LOST = [SettleOutcome.CLAIM_LOST]
WRONG_TOKENS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda token: b"",
    "first": lambda token: token[:1],
    "shorter": lambda token: token[:-1],
    "last": lambda token: token[1:],
    "longer": lambda token: token + b"0",
    "with a space": lambda token: token + b" ",
    "twice": lambda token: token + token,
    "any": lambda token: b"*",
}
NAMES = ["name", "Name", "NAME", "name ", "name.", "-name", "+name", "nam", "name1", "1", "-1", "01", "1.0", "näme"]
"""Names that differ by case, sign, or a letter."""


class ExactTests(Suite):
    """Nearly the same is another."""

    @pytest.mark.parametrize("wrong", WRONG_TOKENS)
    @conformance_test()
    async def test_exact_a_token_is_compared_whole(self, kit: SuiteContext, wrong: str) -> None:
        """A claim is named by its token: part of one, or more than one, names none, whatever the settlement."""
        driver = await kit.driver()
        await kit.push_many(driver, 12)
        worker = await kit.worker(driver)
        claims = await worker.claim(12)
        for claim in (claims[0], claims[1], claims[11]):
            token = WRONG_TOKENS[wrong](claim.token)
            if token in [other.token for other in claims]:
                continue
            near = Claim(claim.job_id, token, b"", claim.due, claim.stored_at)
            assert await worker.settle(*(make(near) for make in SETTLEMENTS.values())) == LOST * len(SETTLEMENTS)
        assert (await driver.renew(worker.id, DAY)).tokens == {claim.token for claim in claims}
        await worker.finish(*claims)

    @conformance_test()
    async def test_exact_a_token_names_its_job(self, kit: SuiteContext) -> None:
        """A token settles the job that it was given for, and no other that the worker holds."""
        driver = await kit.driver()
        await kit.push_many(driver, 3)
        worker = await kit.worker(driver)
        claims = await worker.claim(3)
        for claim, other in zip(claims, claims[1:] + claims[:1], strict=True):
            crossed = Claim(claim.job_id, other.token, b"", claim.due, claim.stored_at)
            assert await worker.settle(*(make(crossed) for make in SETTLEMENTS.values())) == LOST * len(SETTLEMENTS)
        await worker.finish(*claims)

    @conformance_test()
    async def test_exact_workers_are_told_apart(self, kit: SuiteContext) -> None:
        """A worker is named by every letter of its id: each has claims, a lock and numbers of its own."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, len(NAMES))
        workers = [Worker(driver, name) for name in NAMES]
        claims: list[Claim] = []
        for worker in workers:
            await driver.open_worker(worker.id, DAY)
            claims.append(await worker.claim_one())
        assert [claim.job_id for claim in claims] == ids
        for worker, claim in zip(workers, claims, strict=True):
            assert (await driver.renew(worker.id, DAY)).tokens == {claim.token}
        await driver.close_worker(NAMES[0])
        assert await kit.claimed(driver) == ids[:1]
        for worker, claim in list(zip(workers, claims, strict=True))[1:]:
            await worker.finish(claim)

    @conformance_test(Capability.METADATA)
    async def test_exact_keys_are_told_apart(self, kit: SuiteContext) -> None:
        """Metadata are small values under a key: each key that differs by a letter, a sign or a case is another."""
        driver = await kit.driver()
        for number, name in enumerate(NAMES):
            await driver.set_metadata(name, b"%d" % number)
            assert await driver.acquire_lock(f"{name} lock", b"%d" % number, DAY)
        for number, name in enumerate(NAMES):
            assert await driver.get_metadata(name) == b"%d" % number
            assert await driver.get_metadata(f"{name} lock") == b"%d" % number

    @conformance_test(Capability.METADATA)
    async def test_exact_holders_are_told_apart(self, kit: SuiteContext) -> None:
        """A lock is its holder's alone: one whose name is nearly the same, or empty, neither takes nor frees it."""
        driver = await kit.driver()
        names = [b"name", *(name.encode() for name in NAMES[1:]), b"", b"name\x00", b"*"]
        for number, holder in enumerate((b"name", b"")):
            key = f"lock {number}"
            assert await driver.acquire_lock(key, holder, DAY)
            for other in names:
                if other != holder:
                    assert await driver.acquire_lock(key, other, DAY) is False
                    assert await driver.release_lock(key, other) is False
            assert await driver.get_metadata(key) == holder
            assert await driver.acquire_lock(key, holder, DAY) is True
            assert await driver.release_lock(key, holder) is True

    @conformance_test(Capability.SCHEDULING, Capability.METADATA)
    async def test_exact_a_value_is_compared_whole(self, kit: SuiteContext) -> None:
        """push_if: if `key` does not hold `expected`, to the last byte, nothing happens; empty is not absent."""
        driver = await kit.driver()
        await driver.set_metadata("key", b"12")
        for expected in (None, b"", b"1", b"12 ", b"123", b"+12", b"12.0"):
            answer = await driver.push_if(kit.job(), "key", expected, b"new")
            assert answer.outcome not in (STORED, DUPLICATE), expected
        await driver.set_metadata("key", b"")
        assert (await driver.push_if(kit.job(), "key", None, b"new")).outcome not in (STORED, DUPLICATE)
        assert (await driver.push_if(kit.job(), "absent", b"", b"new")).outcome not in (STORED, DUPLICATE)
        assert await driver.get_metadata("absent") is None
        assert await kit.claimed(driver) == []
        job = kit.job()
        assert (await driver.push_if(job, "key", b"", b"new")).outcome is STORED
        assert await driver.get_metadata("key") == b"new"
        assert await kit.claimed(driver) == [job.job_id]

    @conformance_test()
    async def test_exact_queues_are_told_apart(self, kit: SuiteContext) -> None:
        """`queue_key` names the queue by every letter: jobs, workers and numbers of one are not another's."""
        names = [
            f"{kit.configuration.queue_key}{suffix}" for suffix in ("", "a", "A", ".", ".a", ":", "-", "/", "_", "%2F")
        ]
        drivers = [await kit.driver(queue_key=name) for name in names]
        ids = [await kit.push(driver) for driver in drivers]
        for driver, job_id in zip(drivers, ids, strict=True):
            assert await kit.claimed(driver) == [job_id]

    # -- zero

    @pytest.mark.parametrize("limit", [0, -1])
    @conformance_test()
    async def test_exact_a_limit_of_zero_claims_nothing(self, kit: SuiteContext, limit: int) -> None:
        """An exchange claims up to `limit` jobs: of zero, or less, none; but it says that some are due, and settles."""
        driver = await kit.driver()
        first, second = await kit.push_many(driver, 2)
        worker = await kit.worker(driver)
        answer = await worker.exchange(limit=limit)
        assert (answer.claims, answer.until_next) == ([], 0)
        claim = await worker.claim_one()
        answer = await worker.exchange(Release(first, claim.token), limit=limit)
        assert (answer.outcomes, answer.claims, answer.until_next) == ([SettleOutcome.SETTLED], [], 0)
        assert await kit.claimed(driver) == [first, second]

    @pytest.mark.parametrize("most", [0, -1])
    @conformance_test()
    async def test_exact_a_recovery_of_none(self, kit: SuiteContext, most: int) -> None:
        """recover takes at most `max_jobs`: of zero, or less, none."""
        driver = await kit.driver()
        await kit.push_many(driver, 2)
        worker = await kit.worker(driver, kit.unit)
        await worker.claim(2)
        await kit.advance(kit.unit)
        assert await driver.recover(most) == 0
        assert await driver.recover() == 2, "there was nothing to recover"

    @pytest.mark.parametrize("most", [0, -1])
    @conformance_test(Capability.CLEANUP)
    async def test_exact_a_cleanup_of_none(self, kit: SuiteContext, most: int) -> None:
        """cleanup_step takes at most `max_jobs`: of zero, or less, none."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        for status in JobStatus:
            job_id = await kit.in_state(driver, status) if status is not JobStatus.PENDING else None
            assert await driver.cleanup_step(status, JobCleanup.remove(), max_jobs=most) == 0
            assert await driver.cleanup_step(status, JobCleanup("nothing"), max_jobs=5) == 0
            assert job_id is None or outcomes(await driver.push([kit.job(job_id=job_id)])) == [DUPLICATE]
            assert await driver.cleanup_step(status, JobCleanup.remove(), max_jobs=5) == (job_id is not None)

    @pytest.mark.parametrize("kept", [0, 1])
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_exact_a_cleanup_of_equal_ages(self, kit: SuiteContext, kept: int) -> None:
        """cleanup_step takes the oldest first, and of equal ages the lower id, whether or not one is kept."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ids = sorted(await kit.push_many(driver, 2))
        worker = await kit.worker(driver)
        claims = sorted(await worker.claim(2), key=lambda claim: claim.job_id)
        ends = [Fail(claim.job_id, claim.token, b"error", keep=n == kept) for n, claim in enumerate(claims)]
        assert await worker.settle(*ends) == [SettleOutcome.SETTLED] * 2
        assert await driver.cleanup_step(JobStatus.FAILED, JobCleanup.remove(), max_jobs=1) == 1
        assert [await driver.status(job_id) for job_id in ids] == [None, JobStatus.FAILED]

    @pytest.mark.parametrize("units", [1, 3])
    @conformance_test()
    async def test_exact_a_worker_that_is_opened_again_has_the_new_lock(self, kit: SuiteContext, units: int) -> None:
        """open_worker of one that is open: its lock ends the given time from now, sooner or later than before."""
        driver = await kit.driver()
        worker = await kit.worker(driver, kit.unit * 2)
        await kit.push(driver)
        await worker.claim_one()
        await driver.open_worker(worker.id, kit.unit * units)
        await kit.advance(kit.unit * min(units, 2))
        assert (await worker.exchange()).lock_expired is (units == 1)
        assert await driver.recover() == (units == 1)

    @conformance_test(Capability.INSPECTION)
    async def test_exact_a_worker_is_described_anew(self, kit: SuiteContext) -> None:
        """open_worker of one that is open replaces its description, or removes it."""
        driver = await kit.driver()
        for about in (b"one", b"two", b"", b"three"):
            await driver.open_worker("worker", kit.unit, about=about)
            assert [worker.about for worker in await driver.workers()] == [about]

    @conformance_test(Capability.INSPECTION)
    async def test_exact_a_list_of_none(self, kit: SuiteContext) -> None:
        """`jobs` shows at most `limit`: of zero, none; `counts` names each state, if none is in it, too."""
        driver = await kit.driver()
        assert await driver.counts() == dict.fromkeys(JobStatus, 0)
        await kit.push_many(driver, 2)
        assert [job async for job in driver.jobs(JobStatus.PENDING, limit=0)] == []
        assert len([job async for job in driver.jobs(JobStatus.PENDING, limit=1)]) == 1
        assert await driver.counts() == {**dict.fromkeys(JobStatus, 0), JobStatus.PENDING: 2}

    @pytest.mark.parametrize("rerun", [False, True])
    @conformance_test(Capability.CLEANUP)
    async def test_exact_an_age_of_zero_is_any_age(self, kit: SuiteContext, *, rerun: bool) -> None:
        """A cleanup takes jobs that are at least `max_age` old: of zero, also one that has ended just now."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await kit.in_state(driver, JobStatus.FAILED)
        cleanup = JobCleanup("rerun" if rerun else "remove", timedelta(0))
        assert await driver.cleanup_step(JobStatus.FAILED, cleanup, max_jobs=5) == 1
        assert len(await kit.claimed(driver)) == rerun

    # -- what is kept, as a push sees it

    @pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
    @pytest.mark.parametrize("kept", [0, 1, 3])
    @conformance_test()
    async def test_exact_a_count(self, kit: SuiteContext, status: JobStatus, kept: int) -> None:
        """A finished job is present until `max_count` of its state have ended after it: its id is taken till then."""
        driver = await kit.driver(retention_policy=policy(retain_last(kept) if kept else DO_NOT_RETAIN))
        ids: list[JobID] = []
        for _ in range(5):
            ids.append(await kit.in_state(driver, status))
            await kit.advance(timedelta(milliseconds=5))
        answer = outcomes(await driver.push([kit.job(job_id=job_id) for job_id in ids]))
        assert answer == [STORED] * (5 - kept) + [DUPLICATE] * kept

    @pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
    @conformance_test()
    async def test_exact_an_age(self, kit: SuiteContext, status: JobStatus) -> None:
        """A finished job is present until its age reaches `max_age`, by its end: its id is taken till then."""
        driver = await kit.driver(retention_policy=policy(retain_for(kit.unit * 2)))
        old = await kit.in_state(driver, status)
        await kit.advance(kit.unit)
        young = await kit.in_state(driver, status)
        await kit.advance(kit.unit)
        both = [kit.job(job_id=old), kit.job(job_id=young)]
        assert outcomes(await driver.push(both)) == [STORED, DUPLICATE]

    @conformance_test(Capability.CANCEL)
    async def test_exact_each_state_has_its_policy(self, kit: SuiteContext) -> None:
        """The policy is by state: completed, failed and cancelled jobs are each kept by their own."""
        kept = {JobStatus.COMPLETED: retain_last(1), JobStatus.FAILED: RETAIN, JobStatus.CANCELLED: DO_NOT_RETAIN}
        driver = await kit.driver(
            retention_policy=RetentionPolicy(
                completed_jobs=kept[JobStatus.COMPLETED],
                failed_jobs=kept[JobStatus.FAILED],
                cancelled_jobs=kept[JobStatus.CANCELLED],
            )
        )
        ids = {status: [await kit.in_state(driver, status) for _ in range(2)] for status in kept}
        answers = {
            status: outcomes(await driver.push([kit.job(job_id=job_id) for job_id in ids[status]])) for status in kept
        }
        assert answers == {
            JobStatus.COMPLETED: [STORED, DUPLICATE],
            JobStatus.FAILED: [DUPLICATE, DUPLICATE],
            JobStatus.CANCELLED: [STORED, STORED],
        }

    @pytest.mark.parametrize("kept", range(3))
    @conformance_test()
    async def test_exact_what_was_kept_is_there(self, kit: SuiteContext, kept: int) -> None:
        """A failure that is kept stays whatever the policy says, and does not count, whichever ended first."""
        driver = await kit.driver(retention_policy=policy(retain_last(1)))
        worker = await kit.worker(driver)
        ids = await kit.push_many(driver, 3)
        for number, claim in enumerate(await worker.claim(3)):
            await worker.settle(Fail(claim.job_id, claim.token, b"error", keep=number == kept))
            await kit.advance(timedelta(milliseconds=5))
        last = 1 if kept == 2 else 2
        answer = outcomes(await driver.push([kit.job(job_id=job_id) for job_id in ids]))
        assert answer == [DUPLICATE if number in (kept, last) else STORED for number in range(3)]

    # -- answers of steps that share a way

    @conformance_test()
    async def test_exact_each_caller_gets_its_own_answer(self, kit: SuiteContext) -> None:
        """push answers for each job, in order: also to callers that share a step with one that is given up."""
        driver = await kit.driver()
        old = await kit.push_many(driver, 30)
        jobs = [kit.job() if number % 3 else kit.job(job_id=old[number]) for number in range(30)]
        for given_up in (0, 1, 2, 15):
            pushes = [asyncio.ensure_future(driver.push([job])) for job in jobs]
            await asyncio.sleep(0)
            pushes[given_up].cancel()
            answers = await asyncio.gather(*pushes, return_exceptions=True)
            for number, (job, answer) in enumerate(zip(jobs, answers, strict=True)):
                if isinstance(answer, BaseException):
                    assert number == given_up
                    continue
                assert [pushed.job_id for pushed in answer] == [job.job_id]
                assert outcomes(answer) == [STORED if number % 3 else DUPLICATE]
            await kit.claimed(driver)  # also the one that was given up
            jobs = [kit.job() if number % 3 else job for number, job in enumerate(jobs)]

    @conformance_test(hints=True)
    async def test_exact_an_exchange_that_claims_nothing_takes_no_hint(self, kit: SuiteContext) -> None:
        """wait returns at a hint: an exchange that only settles leaves it for the worker's next wait."""
        driver, producer = await kit.driver(), await kit.driver()
        worker = await kit.worker(driver)
        await driver.wait(worker.id, timedelta(milliseconds=1))
        await kit.push(driver)
        claim = await worker.claim_one()
        await take_old_hints(worker)
        await kit.push(producer)
        assert await worker.settle(Finish(claim.job_id, claim.token)) == [SettleOutcome.SETTLED]
        # Without the hint, which an exchange that asked for no job has taken, it would sleep on.
        await asyncio.wait_for(driver.wait(worker.id, LONG), PATIENCE)
        await worker.claim_one()
