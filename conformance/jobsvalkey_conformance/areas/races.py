"""The same step twice at once, steps that take the ground from under each other, and calls that were given up."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    RETAIN,
    Capability,
    Claim,
    Exchanged,
    Fail,
    Finish,
    JobCleanup,
    JobStatus,
    NewJob,
    Operation,
    RetentionPolicy,
    SettleOutcome,
    WorkerClosed,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver

HOUR = timedelta(hours=1)
ROUNDS = 10
"""How often a race is run: on a store with real concurrency each time is another order."""
LATE = 0.02
"""Seconds for a call that was given up to arrive in."""
REMOVE = JobCleanup.remove()
Step = Callable[[AnyDriver, NewJob, Operation], Awaitable[Any]]

STEPS: dict[str, tuple[frozenset[Capability], JobStatus | None, Step]] = {
    "push": (frozenset(), None, lambda d, j, o: d.push([j], operation=o)),
    "push_if": (
        frozenset({Capability.SCHEDULING, Capability.METADATA}),
        None,
        lambda d, j, o: d.push_if(j, str(j.job_id), None, b"1", operation=o),
    ),
    "cancel": (frozenset({Capability.CANCEL}), JobStatus.PENDING, lambda d, j, o: d.cancel(j.job_id, operation=o)),
    "pause": (frozenset({Capability.RESUME}), JobStatus.PENDING, lambda d, j, o: d.pause(j.job_id, operation=o)),
    "resume": (frozenset({Capability.RESUME}), JobStatus.PAUSED, lambda d, j, o: d.resume(j.job_id, operation=o)),
    "rerun": (frozenset({Capability.CLEANUP}), JobStatus.FAILED, lambda d, j, o: d.rerun(j.job_id, operation=o)),
    "remove": (frozenset({Capability.CLEANUP}), JobStatus.PENDING, lambda d, j, o: d.remove(j.job_id, operation=o)),
    "cleanup_step": (
        frozenset({Capability.CLEANUP}),
        JobStatus.PENDING,
        lambda d, _, o: d.cleanup_step(JobStatus.PENDING, REMOVE, max_jobs=1, operation=o),
    ),
    "acquire_lock": (
        frozenset({Capability.METADATA}),
        None,
        lambda d, j, o: d.acquire_lock(str(j.job_id), b"holder", HOUR, operation=o),
    ),
    "release_lock": (
        frozenset({Capability.METADATA}),
        None,
        lambda d, _, o: d.release_lock("held", b"holder", operation=o),
    ),
}
"""The steps that say by their answer whether they were done; what they need, and where the job is before."""

KEEP_NOTHING = RetentionPolicy(completed_jobs=DO_NOT_RETAIN, failed_jobs=DO_NOT_RETAIN, cancelled_jobs=DO_NOT_RETAIN)
KEEP_COMPLETED = RetentionPolicy(completed_jobs=RETAIN)
Ending = Callable[[AnyDriver, Worker, NewJob, Any], Awaitable[Any]]
ENDS: dict[str, tuple[frozenset[Capability], RetentionPolicy, Ending]] = {
    "finish": (frozenset(), KEEP_NOTHING, lambda _, w, j, c: w.settle(Finish(j.job_id, c.token))),
    "fail": (frozenset(), KEEP_NOTHING, lambda _, w, j, c: w.settle(Fail(j.job_id, c.token, b"error"))),
    "cancel": (frozenset({Capability.CANCEL}), KEEP_NOTHING, lambda d, _, j, __: d.cancel(j.job_id)),
    "remove": (frozenset({Capability.CLEANUP}), KEEP_COMPLETED, lambda d, _, j, __: d.remove(j.job_id)),
    "cleanup": (
        frozenset({Capability.CLEANUP}),
        KEEP_COMPLETED,
        lambda d, _, __, ___: d.cleanup_step(JobStatus.COMPLETED, REMOVE, max_jobs=5),
    ),
}
"""The steps that make a job absent; their needs, and what must be retained for it to do that."""


class RaceTests(Suite):
    """Each step is atomic, also beside itself."""

    @pytest.mark.parametrize("step", list(STEPS))
    @conformance_test()
    async def test_race_one_operation_over_two_connections(self, kit: SuiteContext, step: str) -> None:
        """A repeat that arrives while the original still runs: it is done once, and both get the same answer."""
        needs, status, call = STEPS[step]
        kit.needs(*needs)
        drivers = [await kit.driver(retention_policy=RETAIN_ALL) for _ in range(2)]
        next_operation = kit.operations()
        for _ in range(ROUNDS):
            job = kit.job()
            if status is not None:
                job = NewJob(await kit.in_state(drivers[0], status), b"")
            if step == "release_lock":
                assert await drivers[0].acquire_lock("held", b"holder", HOUR)
            operation = next_operation()
            first, *others = await asyncio.gather(*(call(driver, job, operation) for driver in drivers * 2))
            assert others == [first] * 3, "one operation got several answers"
            done = outcomes(first) == [STORED] if step == "push" else getattr(first, "outcome", first) in (STORED, 1)
            assert done, f"the step was there to be done, and nobody did it: {first}"
            left = await kit.claimed(drivers[0])
            assert left == ([job.job_id] if step in ("push", "push_if", "resume", "rerun") else left)
            assert len(left) <= 1

    @conformance_test()
    async def test_race_one_exchange_over_two_connections(self, kit: SuiteContext) -> None:
        """A repeat of an exchange that arrives while the original still runs gets the same outcomes and claims."""
        drivers = [await kit.driver() for _ in range(2)]
        ids = await kit.push_many(drivers[0], 2 * ROUNDS)
        worker = await kit.worker(drivers[0])
        claims: list[Claim] = []
        for turn in range(ROUNDS):
            worker.sequence += 1
            settlements = [Finish(claim.job_id, claim.token) for claim in claims]
            calls = [driver.exchange(worker.id, worker.sequence, settlements, 2) for driver in drivers]
            one, other = await asyncio.gather(*calls)
            assert one.outcomes == other.outcomes == [SettleOutcome.SETTLED] * len(settlements)
            assert one.claims == other.claims
            claims = one.claims
            assert [claim.job_id for claim in claims] == ids[2 * turn : 2 * turn + 2]
            assert (await drivers[1].renew(worker.id, HOUR)).tokens == {claim.token for claim in claims}

    @conformance_test()
    async def test_race_closing_beside_an_exchange(self, kit: SuiteContext) -> None:
        """A worker that is closed while its exchange is under way holds nothing afterwards."""
        driver, other = await kit.driver(), await kit.driver()
        for _ in range(ROUNDS):
            worker, ids = await kit.worker(driver), await kit.push_many(driver, 2)
            exchanged, _ = await asyncio.gather(
                worker.exchange(limit=2), other.close_worker(worker.id), return_exceptions=True
            )
            assert isinstance(exchanged, Exchanged | WorkerClosed), exchanged
            following = await kit.worker(other)
            claims = await following.claim(5)
            assert [claim.job_id for claim in claims] == ids, "a closed worker holds a job"
            await following.finish(*claims)

    @conformance_test()
    async def test_race_renewal_beside_recovery(self, kit: SuiteContext) -> None:
        """Of a worker whose lock has run out: either it is renewed and keeps all, or it is recovered and loses all."""
        driver, other = await kit.driver(), await kit.driver()
        for turn in range(ROUNDS if kit.clock else 2):
            await kit.push_many(driver, 3)
            worker = await kit.worker(driver, kit.unit)
            assert len(await worker.claim(3)) == 3
            await kit.advance(kit.unit)
            assert (await worker.exchange()).lock_expired
            calls: list[Coroutine[Any, Any, Any]] = [other.recover(), driver.renew(worker.id, HOUR)]
            answers = await asyncio.gather(*(calls if turn % 2 else reversed(calls)))
            recovered, renewed = answers if turn % 2 else reversed(answers)
            held = (await driver.renew(worker.id, HOUR)).tokens
            assert renewed.tokens == held, "a claim that a renewal named was taken all the same"
            assert (recovered, len(held)) in {(3, 0), (0, 3)}
            await driver.close_worker(worker.id)
            following = await kit.worker(other)
            await following.finish(*await following.claim(3))

    @conformance_test()
    async def test_race_settling_beside_recovery(self, kit: SuiteContext) -> None:
        """A claim is settled, or it is recovered: never both, never neither."""
        driver, other = await kit.driver(), await kit.driver()
        for _ in range(ROUNDS if kit.clock else 2):
            await kit.push_many(driver, 3)
            worker = await kit.worker(driver, kit.unit)
            claims = await worker.claim(3)
            await kit.advance(kit.unit)
            assert (await worker.exchange()).lock_expired
            settled, recovered = await asyncio.gather(
                worker.settle(*(Finish(claim.job_id, claim.token) for claim in claims)), other.recover()
            )
            assert (settled.count(SettleOutcome.SETTLED), recovered) in {(3, 0), (0, 3)}
            following = await kit.worker(other)
            again = await following.claim(5)
            assert len(again) == recovered
            await following.finish(*again)

    @pytest.mark.parametrize("end", list(ENDS))
    @conformance_test()
    async def test_race_a_push_beside_the_end_of_its_job(self, kit: SuiteContext, end: str) -> None:
        """An id that a user gave is known at every moment: while its job is there, and from when it is gone."""
        needs, policy, ending = ENDS[end]
        kit.needs(*needs)
        driver, other = await kit.driver(retention_policy=policy), await kit.driver(retention_policy=policy)
        worker = await kit.worker(driver)
        for turn in range(ROUNDS):
            job = kit.job(remember=True)
            assert outcomes(await driver.push([job])) == [STORED]
            claim = None if end == "cancel" else await worker.claim_one()
            if claim and policy is KEEP_COMPLETED:
                await worker.finish(claim)
            calls: list[Awaitable[Any]] = [other.push([job]) for _ in range(3)]
            calls.insert(turn % 4, ending(driver, worker, job, claim))
            answers = await asyncio.gather(*calls)
            del answers[turn % 4]
            assert [outcomes(answer) for answer in answers] == [[DUPLICATE]] * 3, "a job that has run was stored again"
            assert outcomes(await other.push([job])) == [DUPLICATE]
        assert await kit.claimed(driver) == []

    @conformance_test()
    async def test_race_a_push_that_was_given_up_does_not_come_late(self, kit: SuiteContext) -> None:
        """A call that was given up has been done when a later one of its producer is answered, or is never done."""
        driver, next_operation = await kit.driver(), kit.operations()
        for turns in range(ROUNDS):
            given_up, later = kit.job(), kit.job()
            await give_up(driver.push([given_up], operation=next_operation()), turns)
            assert outcomes(await driver.push([later], operation=next_operation())) == [STORED]
            seen = await kit.claimed(driver)
            assert later.job_id in seen
            await asyncio.sleep(LATE)
            assert await kit.claimed(driver) == [], "a push that was given up was done after a later one"

    @conformance_test()
    async def test_race_an_exchange_that_was_given_up_claims_nothing_late(self, kit: SuiteContext) -> None:
        """An exchange that was given up, asked for again and answered claims nothing more: nobody would run it."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        for turns in range(ROUNDS):
            worker.sequence += 1
            await give_up(driver.exchange(worker.id, worker.sequence, (), 1), turns)
            assert (await driver.exchange(worker.id, worker.sequence, (), 1)).claims == []
            job_id = await kit.push(driver)
            await asyncio.sleep(LATE)
            held = (await driver.renew(worker.id, HOUR)).tokens
            assert not held, "an exchange that was given up holds a job that nobody will run"
            claim = await worker.claim_one()
            assert claim.job_id == job_id
            await worker.finish(claim)

    @conformance_test()
    async def test_race_a_settlement_that_was_given_up_does_not_come_late(self, kit: SuiteContext) -> None:
        """A settlement that was given up, and followed by another exchange, changes nothing any more."""
        driver, other = await kit.driver(), await kit.driver()
        for turns in range(ROUNDS):
            job_id = await kit.push(driver)
            worker = await kit.worker(driver)
            claim = await worker.claim_one()
            worker.sequence += 1
            await give_up(driver.exchange(worker.id, worker.sequence, [Finish(job_id, claim.token)]), turns)
            settled = await worker.settle(Fail(job_id, claim.token, b"error"))
            # It came in time, or it is over: the later one says which, and that stays so.
            await asyncio.sleep(LATE)
            assert await worker.settle(Finish(job_id, claim.token)) == [SettleOutcome.CLAIM_LOST]
            assert settled in ([SettleOutcome.SETTLED], [SettleOutcome.CLAIM_LOST])
            await other.close_worker(worker.id)
        assert await kit.claimed(driver) == []


async def give_up(call: Coroutine[Any, Any, Any], turns: int) -> None:
    """Begin a call, and cancel it after some turns of the loop."""
    begun = asyncio.ensure_future(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    begun.cancel()
    await asyncio.gather(begun, return_exceptions=True)
