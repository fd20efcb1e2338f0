"""Many callers at once, on several drivers of one store."""

import asyncio
import random
from collections import Counter

import pytest

from jobsvalkey.contract import Capability, Claim, Finish, JobID, JobStatus, PayloadTooLarge, Release, SettleOutcome
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver


class ConcurrencyTests(Suite):
    """Each step is atomic, whoever else makes one at the same time."""

    @conformance_test()
    async def test_concurrency_many_pushes_at_once(self, kit: SuiteContext) -> None:
        """Concurrent pushes may share a round trip: each job is stored once, and each caller gets its own answer."""
        drivers = [await kit.driver(), await kit.driver()]
        jobs = [kit.job(b"%d" % number) for number in range(300)]
        twice = jobs + jobs[::3]
        answers = await asyncio.gather(*(drivers[number % 2].push([job]) for number, job in enumerate(twice)))
        stored = Counter(job.job_id for job, [is_new] in zip(twice, answers, strict=True) if is_new.outcome is STORED)
        assert stored == Counter(job.job_id for job in jobs)
        claims = await (await kit.worker(drivers[0])).claim(1000)
        assert {claim.job_id: claim.request for claim in claims} == {job.job_id: job.request for job in jobs}
        assert len(claims) == len(jobs)

    @conformance_test()
    async def test_concurrency_a_refused_push_is_its_callers_alone(self, kit: SuiteContext) -> None:
        """Pushes that share a round trip share nothing else: one that is refused does not take the others with it."""
        driver = await kit.driver(max_payload=100)
        jobs = [kit.job(b"x" * (101 if number % 7 == 3 else 1)) for number in range(50)]
        answers = await asyncio.gather(*(driver.push([job]) for job in jobs), return_exceptions=True)
        for number, answer in enumerate(answers):
            if isinstance(answer, BaseException):
                assert number % 7 == 3
                assert isinstance(answer, PayloadTooLarge)
            else:
                assert number % 7 != 3
                assert outcomes(answer) == [STORED]
        assert len(await kit.claimed(driver)) == sum(number % 7 != 3 for number in range(50))

    @conformance_test()
    async def test_concurrency_a_cancelled_push_leaves_the_others_alone(self, kit: SuiteContext) -> None:
        """A caller that is cancelled does not take the others' round trip with it; its own outcome is unknown."""
        driver = await kit.driver()
        jobs = [kit.job() for _ in range(60)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(driver.push([job])) for job in jobs]
            for _ in range(3):
                await asyncio.sleep(0)
            cancelled = set(range(0, 60, 4))
            for number in cancelled:
                tasks[number].cancel()
        for number, task in enumerate(tasks):
            assert number in cancelled or outcomes(task.result()) == [STORED]
        claimed = Counter(await kit.claimed(driver))
        assert all(claimed[job.job_id] == 1 for number, job in enumerate(jobs) if number not in cancelled)
        assert max(claimed.values()) == 1
        assert outcomes(await driver.push([kit.job()])) == [STORED]

    @conformance_test()
    async def test_concurrency_no_job_is_claimed_twice(self, kit: SuiteContext) -> None:
        """A claim is one worker's: many that claim at once share the jobs out, each one once."""
        drivers = [await kit.driver() for _ in range(3)]
        ids = await kit.push_many(drivers[0], 400)
        workers = [await kit.worker(drivers[number % 3]) for number in range(12)]

        async def drain(worker: Worker) -> list[JobID]:
            got: list[JobID] = []
            while claims := await worker.claim(7):
                got += [claim.job_id for claim in claims]
                await worker.finish(*claims)
            return got

        got = await asyncio.gather(*(drain(worker) for worker in workers))
        assert Counter(job_id for each in got for job_id in each) == Counter(ids)
        assert await kit.claimed(drivers[0]) == []

    @conformance_test()
    async def test_concurrency_producers_and_workers_together(self, kit: SuiteContext) -> None:
        """Every job that goes in comes out and is settled once, while producers and workers run side by side."""
        drivers = [await kit.driver() for _ in range(3)]
        ids: list[JobID] = []
        finished: list[JobID] = []
        total = 200

        async def produce(driver: AnyDriver) -> None:
            for _ in range(total // 4 // 5):
                ids.extend(await kit.push_many(driver, 5))

        async def work(driver: AnyDriver, chance: random.Random) -> None:
            worker = await kit.worker(driver)
            while len(finished) < total:
                for claim in await worker.claim(3):
                    if chance.random() < 0.3:
                        assert await worker.settle(Release(claim.job_id, claim.token)) == [SettleOutcome.SETTLED]
                    else:
                        await worker.finish(claim)
                        finished.append(claim.job_id)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(produce(drivers[number % 3]))
                group.create_task(work(drivers[number % 3], random.Random(number)))
        assert Counter(finished) == Counter(ids)
        assert len(ids) == total

    @conformance_test()
    async def test_concurrency_a_cancelled_exchange_is_asked_for_again(self, kit: SuiteContext) -> None:
        """No claim is forgotten: a worker whose exchange was cancelled asks again under the same number."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, 30)
        worker = await kit.worker(driver)
        claims: list[Claim] = []
        for turns in range(10):
            worker.sequence += 1
            settlements = [Finish(claim.job_id, claim.token) for claim in claims]
            cancelled = asyncio.ensure_future(driver.exchange(worker.id, worker.sequence, settlements, 3))
            for _ in range(turns):
                await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.gather(cancelled, return_exceptions=True)
            exchanged = await driver.exchange(worker.id, worker.sequence, settlements, 3)
            assert exchanged.outcomes == [SettleOutcome.SETTLED] * len(settlements)
            claims = exchanged.claims
            assert [claim.job_id for claim in claims] == ids[3 * turns : 3 * turns + 3]
            assert (await driver.renew(worker.id, kit.unit * 60)).tokens == {claim.token for claim in claims}

    @conformance_test(Capability.CANCEL)
    async def test_concurrency_cancel_against_claim(self, kit: SuiteContext) -> None:
        """A job is either cancelled or claimed, never both and never neither."""
        driver, other = await kit.driver(), await kit.driver()
        ids = await kit.push_many(driver, 40)
        workers = [await kit.worker(other) for _ in range(4)]
        cancels = [driver.cancel(job_id) for job_id in ids]
        claims = [worker.claim(5) for worker in workers]
        answers = await asyncio.gather(asyncio.gather(*claims), asyncio.gather(*cancels))
        claimed = Counter(claim.job_id for each in answers[0] for claim in each)
        cancelled = Counter(job_id for job_id, done in zip(ids, answers[1], strict=True) if done)
        claimed.update(await kit.claimed(driver))
        assert claimed + cancelled == Counter(ids)

    @conformance_test(Capability.RESUME, Capability.CANCEL)
    async def test_concurrency_one_of_many_gets_its_way(self, kit: SuiteContext) -> None:
        """pause, resume and cancel are atomic: of many that try at once one finds the job as it was."""
        drivers = [await kit.driver() for _ in range(3)]
        job_id = await kit.push(drivers[0])
        for step in ("pause", "resume", "cancel"):
            answers = await asyncio.gather(*(getattr(drivers[number % 3], step)(job_id) for number in range(9)))
            assert answers.count(True) == 1
        assert await kit.claimed(drivers[0]) == []

    @conformance_test()
    async def test_concurrency_one_of_many_recovers(self, kit: SuiteContext) -> None:
        """recover is atomic: of many that try at once each orphan is recovered by one."""
        drivers = [await kit.driver() for _ in range(3)]
        ids = await kit.push_many(drivers[0], 30)
        dead = await kit.worker(drivers[0], kit.unit)
        await dead.claim(30)
        await kit.advance(kit.unit)
        counts = await asyncio.gather(*(drivers[number % 3].recover(7) for number in range(9)))
        assert sum(counts) == 30
        claims = await (await kit.worker(drivers[0])).claim(50)
        assert [claim.job_id for claim in claims] == ids
        assert {claim.recoveries for claim in claims} == {1}

    @conformance_test()
    async def test_concurrency_renewals_beside_exchanges(self, kit: SuiteContext) -> None:
        """A worker renews while its exchanges are under way; both are right."""
        driver = await kit.driver()
        await kit.push_many(driver, 60)
        worker = await kit.worker(driver)
        tokens: set[bytes] = set()
        for _ in range(20):
            claims, renewed = await asyncio.gather(worker.claim(3), driver.renew(worker.id, kit.unit * 60))
            assert renewed.tokens <= tokens | {claim.token for claim in claims}
            assert renewed.tokens >= tokens
            tokens |= {claim.token for claim in claims}
        assert (await driver.renew(worker.id, kit.unit)).tokens == tokens

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PROCESSING])
    @conformance_test(Capability.INSPECTION)
    async def test_concurrency_validate_beside_workers(self, kit: SuiteContext, status: JobStatus) -> None:
        """`validate` looks at each suspect again before it reports it, so that it may run beside workers."""
        driver, other = await kit.driver(), await kit.driver()
        if status is JobStatus.PENDING:
            await kit.push_many(driver, 200)
        stop = asyncio.Event()

        async def work() -> None:
            worker = await kit.worker(other)
            while not stop.is_set():
                await kit.push_many(driver, 3)
                await worker.finish(*await worker.claim(3))

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(work())
            for _ in range(10):
                assert await driver.validate() == []
            stop.set()
