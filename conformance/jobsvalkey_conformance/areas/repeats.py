"""Repeats: a reply can be lost after its step was done, and the step is asked for again."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import (
    Capability,
    ConfigurationError,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    Operation,
    OperationRefused,
    Release,
    Retry,
    SettleOutcome,
    StoreOutcome,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver

HOUR = timedelta(hours=1)
Step = Callable[[AnyDriver, JobID, Operation], Awaitable[Any]]
"""Makes a numbered step; the job is in the state that the step starts from."""

STEPS: dict[str, tuple[Capability, JobStatus, Step]] = {
    "cancel": (Capability.CANCEL, JobStatus.PENDING, lambda d, j, o: d.cancel(j, operation=o)),
    "pause": (Capability.RESUME, JobStatus.PENDING, lambda d, j, o: d.pause(j, operation=o)),
    "resume": (Capability.RESUME, JobStatus.PAUSED, lambda d, j, o: d.resume(j, operation=o)),
    "rerun": (Capability.CLEANUP, JobStatus.FAILED, lambda d, j, o: d.rerun(j, operation=o)),
    "remove": (Capability.CLEANUP, JobStatus.FAILED, lambda d, j, o: d.remove(j, operation=o)),
    "cleanup": (
        Capability.CLEANUP,
        JobStatus.COMPLETED,
        lambda d, j, o: d.cleanup_step(JobStatus.COMPLETED, JobCleanup.remove(), max_jobs=1, operation=o),
    ),
    "set_metadata": (
        Capability.METADATA,
        JobStatus.PENDING,
        lambda d, j, o: d.set_metadata("value", b"1", operation=o),
    ),
    "acquire_lock": (
        Capability.METADATA,
        JobStatus.PENDING,
        lambda d, j, o: d.acquire_lock("lock", b"holder", HOUR, operation=o),
    ),
}


class RepeatTests(Suite):
    """Nothing is done twice, no claim is forgotten while its worker lives, no settle is mistaken for a lost one."""

    @conformance_test()
    async def test_repeat_a_push_after_its_job_has_run_and_gone(self, kit: SuiteContext) -> None:
        """A repeat of a push is answered from memory, also when the job has run and gone before it arrives."""
        driver, operation = await kit.driver(), kit.operations()()
        jobs = [kit.job(), kit.job()]
        assert outcomes(await driver.push(jobs, operation=operation)) == [STORED, STORED]
        worker = await kit.worker(driver)
        await worker.finish(*await worker.claim(2))
        assert outcomes(await driver.push(jobs, operation=operation)) == [STORED, STORED]
        assert await kit.claimed(driver) == []

    @conformance_test()
    async def test_repeat_a_repeat_over_another_connection(self, kit: SuiteContext) -> None:
        """The store remembers, not the driver: a repeat through another driver is one all the same."""
        one, other, operation = await kit.driver(), await kit.driver(), kit.operations()()
        job = kit.job()
        assert outcomes(await one.push([job], operation=operation)) == [STORED]
        assert outcomes(await other.push([job], operation=operation)) == [STORED]
        assert await kit.claimed(other) == [job.job_id]
        assert outcomes(await one.push([job], operation=operation)) == [STORED]
        assert await kit.claimed(one) == []

    @conformance_test()
    async def test_repeat_the_answer_is_repeated_as_it_was(self, kit: SuiteContext) -> None:
        """A repeat gets the first answer, duplicates included, whatever would be true now."""
        driver, next_operation = await kit.driver(), kit.operations()
        old, new = kit.job(), kit.job()
        await driver.push([old], operation=next_operation())
        operation = next_operation()
        assert outcomes(await driver.push([old, new], operation=operation)) == [DUPLICATE, STORED]
        worker = await kit.worker(driver)
        await worker.finish(*await worker.claim(2))
        assert outcomes(await driver.push([old, new], operation=operation)) == [DUPLICATE, STORED]
        assert await kit.claimed(driver) == []

    @conformance_test()
    async def test_repeat_a_lower_sequence_is_refused(self, kit: SuiteContext) -> None:
        """A lower sequence is refused, and nothing is done; gaps are fine."""
        driver = await kit.driver()
        job, late = kit.job(), kit.job()
        await driver.push([job], operation=Operation("producer", 7))
        with pytest.raises(OperationRefused):
            await driver.push([late], operation=Operation("producer", 6))
        assert outcomes(await driver.push([late], operation=Operation("producer", 700))) == [STORED]
        assert await kit.claimed(driver) == [job.job_id, late.job_id]

    @pytest.mark.parametrize("sequence", [-1, -(1 << 53), 1 << 53, 1 << 64, 1.5])
    @conformance_test()
    async def test_repeat_a_sequence_that_cannot_be_counted(self, kit: SuiteContext, sequence: int) -> None:
        """A sequence below 0, from 2^53, or with a fraction is a `ValueError`: nothing is done, and others go on."""
        driver = await kit.driver()
        job = kit.job()
        with pytest.raises(ValueError, match=str(sequence)):
            await driver.push([job], operation=Operation("producer", sequence))
        assert outcomes(await driver.push([job], operation=Operation("producer", 1))) == [STORED]
        worker = await kit.worker(driver)
        with pytest.raises(ValueError, match=str(sequence)):
            await driver.exchange(worker.id, sequence, (), 1)
        assert (await worker.claim_one()).job_id == job.job_id

    @conformance_test()
    async def test_repeat_the_same_sequence_for_something_else(self, kit: SuiteContext) -> None:
        """The same sequence with another digest is an error, never a repeat."""
        driver, operation = await kit.driver(), kit.operations()()
        job = kit.job(b"request")
        await driver.push([job], operation=operation)
        others = [
            [kit.job()],
            [job, kit.job()],
            [kit.job(b"request!", job_id=job.job_id)],
            [kit.job(b"request", job_id=job.job_id, due=kit.unit)],
        ]
        for other in others:
            with pytest.raises(OperationRefused):
                await driver.push(other, operation=operation)
        assert await kit.claimed(driver) == [job.job_id]

    @conformance_test(Capability.CANCEL, Capability.RESUME)
    async def test_repeat_the_same_sequence_for_another_step(self, kit: SuiteContext) -> None:
        """The digest is of what was asked: another method, or another job, is another content."""
        driver, operation = await kit.driver(), kit.operations()()
        one, other = await kit.push_many(driver, 2)
        assert await driver.pause(one, operation=operation) is True
        with pytest.raises(OperationRefused):
            await driver.cancel(one, operation=operation)
        with pytest.raises(OperationRefused):
            await driver.pause(other, operation=operation)
        assert await kit.claimed(driver) == [other]

    @conformance_test()
    async def test_repeat_producers_are_numbered_apart(self, kit: SuiteContext) -> None:
        """The store remembers each producer's last sequence: those of others do not matter."""
        driver = await kit.driver()
        jobs = [kit.job() for _ in range(4)]
        for producer, sequence, job in zip("abab", (9, 1, 10, 2), jobs, strict=True):
            assert outcomes(await driver.push([job], operation=Operation(producer, sequence))) == [STORED]
        assert await kit.claimed(driver) == [job.job_id for job in jobs]

    @conformance_test(driven_clock=True)
    async def test_repeat_it_is_remembered_for_ten_minutes_after_its_last_use(self, kit: SuiteContext) -> None:
        """The store remembers a producer for 10 minutes after its last use."""
        driver, operation = await kit.driver(), kit.operations()()
        job = kit.job()
        await driver.push([job], operation=operation)
        worker = await kit.worker(driver, timedelta(days=1))
        await worker.finish(await worker.claim_one())
        for _ in range(3):
            await kit.advance(timedelta(minutes=9, seconds=59))
            assert outcomes(await driver.push([job], operation=operation)) == [STORED]
            assert await worker.claim() == []
        await kit.advance(timedelta(minutes=10, seconds=1))
        assert outcomes(await driver.push([job], operation=operation)) == [STORED]
        assert [claim.job_id for claim in await worker.claim()] == [job.job_id]

    @conformance_test(driven_clock=True)
    async def test_repeat_it_is_forgotten_whatever_others_do(self, kit: SuiteContext) -> None:
        """Ten minutes after its last use a producer is forgotten: others that are still in use keep nobody else."""
        driver, job, other = await kit.driver(), kit.job(), kit.job()
        first, second = Operation("first", 5), Operation("second", 5)
        await driver.push([job], operation=first)
        await driver.push([other], operation=second)
        await kit.advance(timedelta(minutes=6))
        assert outcomes(await driver.push([job], operation=first)) == [STORED]
        await kit.advance(timedelta(minutes=6))
        assert outcomes(await driver.push([kit.job()], operation=Operation("second", 1))) == [STORED]
        with pytest.raises(OperationRefused):
            await driver.push([kit.job()], operation=Operation("first", 1))

    @pytest.mark.parametrize("name", STEPS)
    @conformance_test()
    async def test_repeat_every_writing_step_has_its_repeat(self, kit: SuiteContext, name: str) -> None:
        """All writing calls take an `operation`; a repeat is answered from memory and does nothing."""
        capability, status, step = STEPS[name]
        kit.needs(capability)
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        others = [await kit.in_state(driver, JobStatus.COMPLETED) for _ in range(2)] if name == "cleanup" else []
        job_id = await kit.in_state(driver, status)
        operation = kit.operations()()
        first = await step(driver, job_id, operation)
        await kit.advance(kit.unit / 4)
        looks = Capability.INSPECTION in kit.capabilities
        before = [await driver.get(each) for each in (job_id, *others)] if looks else []
        assert await step(driver, job_id, operation) == first
        assert [await driver.get(each) for each in (job_id, *others)] == before if looks else True
        with pytest.raises(OperationRefused):
            await driver.push([kit.job()], operation=operation)

    @conformance_test(Capability.METADATA)
    async def test_repeat_a_repeat_overwrites_nothing(self, kit: SuiteContext) -> None:
        """A repeat that arrives late does not undo what was done since."""
        driver, operation = await kit.driver(), kit.operations()()
        await driver.set_metadata("key", b"old", operation=operation)
        await driver.set_metadata("key", b"new", operation=kit.operations()())
        await driver.set_metadata("key", b"old", operation=operation)
        assert await driver.get_metadata("key") == b"new"

    @conformance_test(Capability.METADATA)
    async def test_repeat_a_repeated_release_frees_no_other_lock(self, kit: SuiteContext) -> None:
        """A repeat of `release_lock` is answered from memory: a lock that was taken since stays held."""
        driver, operation = await kit.driver(), kit.operations()()
        await driver.acquire_lock("lock", b"one", HOUR)
        assert await driver.release_lock("lock", b"one", operation=operation) is True
        assert await driver.acquire_lock("lock", b"one", HOUR) is True
        assert await driver.release_lock("lock", b"one", operation=operation) is True
        assert await driver.get_metadata("lock") == b"one"

    @conformance_test(Capability.METADATA)
    async def test_repeat_a_lock_that_was_refused_stays_refused(self, kit: SuiteContext) -> None:
        """A repeat of an `acquire_lock` that was `False` is `False`, also when the lock is free."""
        driver, operation = await kit.driver(), kit.operations()
        refused = operation()
        assert await driver.acquire_lock("lock", b"other", HOUR) is True
        assert await driver.acquire_lock("lock", b"one", HOUR, operation=refused) is False
        assert await driver.release_lock("lock", b"other") is True
        assert await driver.acquire_lock("lock", b"one", HOUR, operation=refused) is False
        assert await driver.get_metadata("lock") is None
        assert await driver.acquire_lock("lock", b"one", HOUR, operation=operation()) is True

    @conformance_test(Capability.METADATA, driven_clock=True)
    async def test_repeat_a_lock_is_looked_at_again(self, kit: SuiteContext) -> None:
        """A repeat of `acquire_lock` is `True` only if the holder has the lock then: there are never two holders."""
        driver, operation = await kit.driver(), kit.operations()()

        async def acquire() -> bool:
            return await driver.acquire_lock("lock", b"one", kit.unit, operation=operation)

        assert await acquire() is True
        assert await acquire() is True
        await kit.advance(kit.unit)
        assert await driver.acquire_lock("lock", b"other", HOUR) is True
        assert await acquire() is False
        assert await driver.get_metadata("lock") == b"other"
        assert await driver.release_lock("lock", b"other") is True
        assert await acquire() is True
        assert await driver.get_metadata("lock") == b"one"

    @pytest.mark.parametrize("value", [b"one", b"other"])
    @conformance_test(Capability.METADATA)
    async def test_repeat_a_lock_whose_key_has_a_value_by_now(self, kit: SuiteContext, value: bytes) -> None:
        """A repeat checks again: a value in the place of the lock is none, also if it reads like the holder."""
        driver, operation = await kit.driver(), kit.operations()()
        assert await driver.acquire_lock("key", b"one", HOUR, operation=operation) is True
        assert await driver.release_lock("key", b"one") is True
        await driver.set_metadata("key", value)
        for _ in range(2):
            with pytest.raises(ConfigurationError):
                await driver.acquire_lock("key", b"one", HOUR, operation=operation)
        assert await driver.get_metadata("key") == value
        assert await driver.acquire_lock("another", b"one", HOUR) is True

    @conformance_test(Capability.METADATA, driven_clock=True)
    async def test_repeat_a_lock_that_is_held_is_not_extended(self, kit: SuiteContext) -> None:
        """A repeat of `acquire_lock` whose lock is still held does nothing: it ends when it would have ended."""
        driver, operation = await kit.driver(), kit.operations()()
        assert await driver.acquire_lock("lock", b"one", 2 * kit.unit, operation=operation) is True
        await kit.advance(kit.unit)
        assert await driver.acquire_lock("lock", b"one", 2 * kit.unit, operation=operation) is True
        await kit.advance(kit.unit)
        assert await driver.get_metadata("lock") is None

    @conformance_test(Capability.SCHEDULING)
    async def test_repeat_a_repeated_push_if(self, kit: SuiteContext) -> None:
        """A repeat of `push_if` gets the first answer, though `key` holds something else by then."""
        driver, operation = await kit.driver(), kit.operations()()
        job = kit.job()
        assert (await driver.push_if(job, "key", None, b"1", operation=operation)).outcome is StoreOutcome.STORED
        assert (await driver.push_if(job, "key", None, b"1", operation=operation)).outcome is StoreOutcome.STORED
        assert await kit.claimed(driver) == [job.job_id]

    # -- exchanges

    @conformance_test()
    async def test_repeat_a_claim_is_not_forgotten(self, kit: SuiteContext) -> None:
        """A repeat of a worker's last `sequence` returns those of its claims that are still held."""
        driver = await kit.driver()
        await kit.push_many(driver, 5)
        worker = await kit.worker(driver)
        claims = await worker.claim(3)
        again = await driver.exchange(worker.id, worker.sequence, (), 3)
        assert again.claims == claims
        await worker.finish(*claims)

    @conformance_test()
    async def test_repeat_a_settle_is_not_mistaken_for_a_lost_one(self, kit: SuiteContext) -> None:
        """A repeat of a worker's last `sequence` returns the recorded outcomes."""
        driver = await kit.driver()
        jobs = await kit.push_many(driver, 4)
        worker = await kit.worker(driver)
        one, two = await worker.claim(2)
        settlements = [Finish(one.job_id, one.token), Finish(one.job_id, one.token), Release(two.job_id, two.token)]
        first = await worker.exchange(*settlements, limit=2)
        assert first.outcomes == [SettleOutcome.SETTLED, SettleOutcome.CLAIM_LOST, SettleOutcome.SETTLED]
        again = await driver.exchange(worker.id, worker.sequence, settlements, 2)
        assert again.outcomes == first.outcomes
        assert again.claims == first.claims
        assert [claim.job_id for claim in again.claims] == jobs[1:3]
        await worker.finish(*again.claims)
        assert await kit.claimed(driver) == jobs[3:]

    @conformance_test()
    async def test_repeat_a_retry_is_done_once(self, kit: SuiteContext) -> None:
        """A repeated retry puts the job back once, though somebody else runs it by then."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker, other = await kit.worker(driver), await kit.worker(driver)
        claim = await worker.claim_one()
        settlement = Retry(job_id, claim.token, b"attempt 2")
        assert await worker.settle(settlement) == [SettleOutcome.SETTLED]
        taken = await other.claim_one()
        again = await driver.exchange(worker.id, worker.sequence, [settlement], 0)
        assert again.outcomes == [SettleOutcome.SETTLED]
        await other.finish(taken)
        assert await kit.claimed(driver) == []

    @conformance_test()
    async def test_repeat_a_repeat_returns_only_what_is_still_held(self, kit: SuiteContext) -> None:
        """A claim that was recovered meanwhile is not returned by the repeat."""
        driver = await kit.driver()
        await kit.push_many(driver, 2)
        worker = await kit.worker(driver, kit.unit)
        claims = await worker.claim(2)
        await kit.advance(kit.unit)
        assert await driver.recover(1) == 1
        again = await driver.exchange(worker.id, worker.sequence, (), 2)
        assert len(again.claims) == 1
        assert again.claims[0] in claims

    @conformance_test()
    async def test_repeat_a_lower_exchange_is_refused(self, kit: SuiteContext) -> None:
        """A `sequence` below the worker's last one is refused, and nothing is done; gaps are fine."""
        driver = await kit.driver()
        jobs = await kit.push_many(driver, 3)
        worker = await kit.worker(driver)
        worker.sequence = 40
        claim = await worker.claim_one()
        with pytest.raises(OperationRefused):
            await driver.exchange(worker.id, worker.sequence - 1, [Finish(claim.job_id, claim.token)], 1)
        assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token}
        worker.sequence = 4000
        assert [claim.job_id for claim in await worker.claim(5)] == jobs[1:]

    @conformance_test()
    async def test_repeat_an_idle_exchange_is_not_recorded(self, kit: SuiteContext) -> None:
        """An exchange that settles and claims nothing is not recorded, and its number may be used again."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        assert (await driver.exchange(worker.id, 5, (), 1)).claims == []
        job_id = await kit.push(driver)
        assert [claim.job_id for claim in (await driver.exchange(worker.id, 5, (), 1)).claims] == [job_id]
        lost = [Finish(job_id, b"0.0")]
        assert (await driver.exchange(worker.id, 9, (), 1)).claims == []
        assert (await driver.exchange(worker.id, 8, lost, 0)).outcomes == [SettleOutcome.CLAIM_LOST]
        assert (await driver.exchange(worker.id, 6, (), 1)).claims == []

    @conformance_test()
    async def test_repeat_each_worker_counts_for_itself(self, kit: SuiteContext) -> None:
        """The sequence is its worker's: others may use the same numbers."""
        driver = await kit.driver()
        jobs = await kit.push_many(driver, 2)
        one, other = await kit.worker(driver), await kit.worker(driver)
        claims = [(await one.claim_one()), (await other.claim_one())]
        assert [claim.job_id for claim in claims] == jobs
        await one.finish(claims[0])
        await other.finish(claims[1])
