"""Many of everything: around each size that a page, a chunk or a batch of a store may have."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace

from jobsvalkey.contract import (
    Capability,
    Claim,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    LaneLimit,
    NewJob,
    Operation,
    Release,
    Retry,
    SettleOutcome,
    retain_for,
    retain_last,
)
from jobsvalkey_conformance.areas.retention import policy
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver

DAY = timedelta(days=1)
A_PUSH = 1000
"""How many jobs one push may store."""
around_each_page: pytest.MarkDecorator = pytest.mark.parametrize("size", [2, 10, 11, 64, 65, 100, 101, 1000, 1001])
beyond_each_page: pytest.MarkDecorator = pytest.mark.parametrize("size", [11, 101, 1000, 1001, 3000])
many: pytest.MarkDecorator = pytest.mark.parametrize("size", [101, 1001])


async def push(driver: AnyDriver, jobs: Sequence[NewJob]) -> list[JobID]:
    """Push any number of new jobs."""
    for start in range(0, len(jobs), A_PUSH):
        chunk = jobs[start : start + A_PUSH]
        assert outcomes(await driver.push(chunk)) == [STORED] * len(chunk)
    return [job.job_id for job in jobs]


async def recovered(driver: AnyDriver, size: int) -> None:
    """Recover until nothing is left; that many jobs must have been there."""
    counts = [await driver.recover()]
    while counts[-1]:
        counts.append(await driver.recover())
    assert sum(counts) == size


def released(claims: Sequence[Claim]) -> list[Release]:
    """The settlements that give all back."""
    return [Release(claim.job_id, claim.token) for claim in claims]


class SizeTests(Suite):
    """Any number of jobs, claims, workers and producers: none is left out because it is beyond a page."""

    @beyond_each_page
    @conformance_test()
    async def test_size_claims_of_one_worker(self, kit: SuiteContext, size: int) -> None:
        """A worker may hold any number of claims: a renewal names all, a repeat returns all, closing releases all."""
        driver = await kit.driver()
        ids = await push(driver, [kit.job() for _ in range(size)])
        worker = await kit.worker(driver, DAY)
        claims = await worker.claim(size)
        assert [claim.job_id for claim in claims] == ids
        tokens = {claim.token for claim in claims}
        assert len(tokens) == size
        assert (await driver.exchange(worker.id, worker.sequence, (), size)).claims == claims
        assert (await driver.renew(worker.id, DAY)).tokens == tokens
        await driver.close_worker(worker.id)
        worker = await kit.worker(driver, kit.unit)
        claims = await worker.claim(size)
        assert [claim.job_id for claim in claims] == ids
        assert {claim.recoveries for claim in claims} == {0}
        assert await worker.claim(1) == []

    @around_each_page
    @conformance_test()
    async def test_size_claims_with_envelopes(self, kit: SuiteContext, size: int) -> None:
        """However many jobs an exchange claims, each comes with its own envelope."""
        driver = await kit.driver()
        ids = await push(driver, [kit.job() for _ in range(size)])
        worker = await kit.worker(driver, kit.unit)
        claims = await worker.claim(size)
        moment = kit.now() - kit.unit
        errors = [b"error %d" % number for number in range(size)]
        retries = [
            Retry(claim.job_id, claim.token, b"again %d" % number, moment, errors[number])
            for number, claim in enumerate(claims)
        ]
        claims = (await worker.exchange(*retries, limit=size)).claims
        assert [claim.error for claim in claims] == errors
        again = (await driver.exchange(worker.id, worker.sequence, retries, size)).claims
        assert again == claims
        await kit.advance(kit.unit)
        await recovered(driver, size)
        claims = await (await kit.worker(driver)).claim(size)
        assert [claim.job_id for claim in claims] == ids
        assert [claim.request for claim in claims] == [b"again %d" % number for number in range(size)]
        assert [(claim.error, claim.recoveries) for claim in claims] == [(error, 1) for error in errors]

    @conformance_test()
    async def test_size_claims_of_which_one_has_an_envelope(self, kit: SuiteContext) -> None:
        """A claim comes with its envelope, also if none of very many others has anything but a request."""
        driver = await kit.driver()
        ids = await push(driver, [kit.job() for _ in range(1001)])
        worker = await kit.worker(driver)
        first, *others = await worker.claim(1001)
        retry = Retry(first.job_id, first.token, due=kit.now() - DAY, error=b"once")
        claims = (await worker.exchange(retry, *released(others), limit=1001)).claims
        assert [claim.job_id for claim in claims] == ids
        assert [claim.error for claim in claims] == [b"once", *[None] * 1000]

    @around_each_page
    @conformance_test()
    async def test_size_settlements_of_one_exchange(self, kit: SuiteContext, size: int) -> None:
        """One exchange settles any number, each with its outcome, and claims as many."""
        driver = await kit.driver()
        ids = await push(driver, [kit.job() for _ in range(size)])
        worker = await kit.worker(driver)
        first = await worker.claim(size)
        settled = [SettleOutcome.SETTLED] * size
        answer = await worker.exchange(*released(first), limit=size)
        assert answer.outcomes == settled
        assert [claim.job_id for claim in answer.claims] == ids
        repeat = await driver.exchange(worker.id, worker.sequence, released(first), size)
        assert (repeat.outcomes, repeat.claims) == (settled, answer.claims)
        assert await worker.settle(*released(first)) == [SettleOutcome.CLAIM_LOST] * size
        finishes = [Finish(claim.job_id, claim.token) for claim in answer.claims]
        finishes[size // 2 : size // 2] = [Finish(first[0].job_id, first[0].token)]
        settled[size // 2 : size // 2] = [SettleOutcome.CLAIM_LOST]
        assert await worker.settle(*finishes) == settled
        assert outcomes(await driver.push([kit.job(job_id=ids[0]), kit.job(job_id=ids[-1])])) == [STORED, STORED]
        assert await kit.claimed(driver) == sorted({ids[0], ids[-1]})

    @conformance_test()
    async def test_size_workers_that_died(self, kit: SuiteContext) -> None:
        """recover: the jobs of any number of dead workers are pending again, by as many steps as it takes."""
        driver = await kit.driver()
        ids = await push(driver, [kit.job() for _ in range(101)])
        for job_id in ids:
            assert (await (await kit.worker(driver, kit.unit * 100)).claim_one()).job_id == job_id
        alive = await kit.worker(driver, DAY)
        await kit.advance(kit.unit * 100)
        await recovered(driver, 101)
        claims = await alive.claim(102)
        assert [(claim.job_id, claim.recoveries) for claim in claims] == [(job_id, 1) for job_id in ids]

    @pytest.mark.parametrize("hours", [0, 23, 25])
    @conformance_test(driven_clock=True)
    async def test_size_a_recovery_takes_a_part(self, kit: SuiteContext, hours: int) -> None:
        """A dead worker's jobs are recovered, however few one recovery takes, and however long it has been dead."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, 7)
        assert len(await (await kit.worker(driver, kit.unit)).claim(7)) == 7
        await kit.advance(kit.unit + timedelta(hours=hours))
        recovered = [await driver.recover(3) for _ in range(8)]
        assert sum(recovered) == 7
        assert max(recovered) <= 3
        assert sorted(await kit.claimed(driver)) == ids

    @conformance_test()
    async def test_size_producers(self, kit: SuiteContext) -> None:
        """The store remembers the last operation of each producer, however many there are."""
        driver = await kit.driver()
        jobs = [kit.job() for _ in range(1001)]

        async def push_as(number: int) -> None:
            operation = Operation(f"producer {number}", 1)
            assert outcomes(await driver.push([jobs[number]], operation=operation)) == [STORED]

        await asyncio.gather(*map(push_as, range(1001)))
        await asyncio.gather(*map(push_as, (0, 1, 500, 999, 1000)))
        assert await kit.claimed(driver, 1002) == [job.job_id for job in jobs]

    @many
    @conformance_test()
    async def test_size_ids_of_the_user(self, kit: SuiteContext, size: int) -> None:
        """Any number of ids that users gave are remembered, each for its window, and then forgotten."""
        driver = await kit.driver(idempotency_window=kit.unit)
        jobs = [kit.job(remember=True) for _ in range(size)]
        await push(driver, jobs)
        worker = await kit.worker(driver)
        await worker.finish(*await worker.claim(size))
        for start in range(0, size, A_PUSH):
            chunk = jobs[start : start + A_PUSH]
            assert outcomes(await driver.push(chunk)) == [DUPLICATE] * len(chunk)
        await kit.advance(kit.unit)
        assert await push(driver, jobs)

    @pytest.mark.parametrize("status", list(JobStatus))
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_size_a_cleanup_step(self, kit: SuiteContext, status: JobStatus) -> None:
        """cleanup_step takes as many as it may, the oldest, and no more: also beyond any page."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        sizes = (1, 10, 101, 1001)
        ids = await many_in(kit, driver, status, sum(sizes) + 3)
        for size in sizes:
            assert await driver.cleanup_step(status, JobCleanup.remove(), max_jobs=size) == size
            if status is JobStatus.PROCESSING:  # their order is nobody's promise
                ids = [job_id for job_id in ids if await driver.status(job_id)] if size > 1000 else ids[size:]
            else:
                ids = ids[size:]
                assert await driver.status(ids[0]) is status
            assert (await driver.counts())[status] == len(ids)
        if status is not JobStatus.PROCESSING:
            listed = [job.job_id async for job in driver.jobs(status)]
            assert sorted(listed) == sorted(ids)
        assert await driver.cleanup_step(status, JobCleanup.remove(), max_jobs=1000) == 3
        assert (await driver.counts())[status] == 0

    @conformance_test(Capability.CLEANUP)
    async def test_size_a_cleanup_of_those_behind_others(self, kit: SuiteContext) -> None:
        """cleanup_step finds the jobs that are old enough behind any number of those that are not."""
        driver = await kit.driver()
        old = [await kit.push(driver, due=kit.unit * 9) for _ in range(2)]
        await kit.advance(kit.unit)
        young = await push(driver, [kit.job() for _ in range(2200)])
        cleanup = JobCleanup.remove(max_age=kit.unit)
        assert await driver.cleanup_step(JobStatus.PENDING, cleanup, max_jobs=1) == 1
        assert await driver.cleanup_step(JobStatus.PENDING, cleanup, max_jobs=5) == 1
        assert await driver.cleanup_step(JobStatus.PENDING, cleanup, max_jobs=5) == 0
        assert outcomes(await driver.push([kit.job(job_id=job_id) for job_id in old])) == [STORED] * 2
        assert len(await kit.claimed(driver, limit=3000)) == len(young) + 2

    @conformance_test(Capability.INSPECTION)
    async def test_size_of_a_page_that_says_none(self, kit: SuiteContext) -> None:
        """page: fifty jobs, if nothing else is asked for."""
        driver = await kit.driver()
        ids = await push(driver, [kit.job() for _ in range(51)])
        page = await driver.page(JobStatus.PENDING)
        assert [job.job_id for job in page.jobs] == ids[:50]
        assert page.cursor is not None
        assert [job.job_id for job in (await driver.page(JobStatus.PENDING, page.cursor)).jobs] == ids[50:]

    @pytest.mark.parametrize("status", list(JobStatus))
    @conformance_test(Capability.INSPECTION)
    async def test_size_a_list(self, kit: SuiteContext, status: JobStatus) -> None:
        """`jobs` shows each job once, and `counts` counts it, however many there are; `limit` cuts there.

        They come in order, but for those that run, which have none.
        """
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ids = await many_in(kit, driver, status, 1101)
        listed = [job.job_id async for job in driver.jobs(status)]
        has_order = status is not JobStatus.PROCESSING
        in_order = ids if status in (JobStatus.PENDING, JobStatus.PAUSED, JobStatus.WAITING) else ids[::-1]
        assert listed == in_order if has_order else sorted(listed) == sorted(ids)
        for limit in (10, 101, 1000):
            first = [job.job_id async for job in driver.jobs(status, limit=limit)]
            assert len(first) == len(set(first)) == limit
            assert first == in_order[:limit] if has_order else set(first) < set(ids)
        assert (await driver.counts())[status] == 1101

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED, JobStatus.COMPLETED])
    @conformance_test(Capability.INSPECTION, Capability.CLEANUP)
    async def test_size_a_list_whose_place_goes_away(self, kit: SuiteContext, status: JobStatus) -> None:
        """`jobs` goes on though each job that it has shown is removed: those that stay are seen once."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ids = await many_in(kit, driver, status, 351)
        seen: list[JobID] = []
        async for job in driver.jobs(status):
            seen.append(job.job_id)
            assert await driver.remove(job.job_id) is True
        assert seen == (ids[::-1] if status is JobStatus.COMPLETED else ids)
        assert (await driver.counts())[status] == 0

    @around_each_page
    @conformance_test()
    async def test_size_what_retention_trims(self, kit: SuiteContext, size: int) -> None:
        """However many jobs end at once, those beyond their count are absent, and those within it are there."""
        if kit.harness.spare_jobs:
            return
        driver = await kit.driver(retention_policy=policy(retain_last(size)))
        ids = await push(driver, [kit.job() for _ in range(2 * size)])
        worker = await kit.worker(driver)
        await worker.finish(*await worker.claim(2 * size))
        edge = [kit.job(job_id=ids[at]) for at in (size, 2 * size - 1, 0, size - 1)]
        expected = [DUPLICATE, DUPLICATE, STORED, STORED] if size > 1 else [DUPLICATE, DUPLICATE, STORED, DUPLICATE]
        assert outcomes(await driver.push(edge)) == expected

    @many
    @conformance_test()
    async def test_size_what_grows_too_old(self, kit: SuiteContext, size: int) -> None:
        """However many jobs reach their age at once, all are absent from then on."""
        driver = await kit.driver(retention_policy=policy(retain_for(kit.unit * 2)))
        ids = await push(driver, [kit.job() for _ in range(size)])
        worker = await kit.worker(driver)
        claims = await worker.claim(size)
        await worker.settle(*(Fail(claim.job_id, claim.token, b"error") for claim in claims))
        edge = [kit.job(job_id=ids[at]) for at in (0, size // 2, size - 1)]
        assert outcomes(await driver.push(edge)) == [DUPLICATE] * 3
        await kit.advance(kit.unit * 2)
        assert outcomes(await driver.push(edge)) == [STORED] * 3

    @many
    @conformance_test(Capability.RESULTS, Capability.INSPECTION)
    async def test_size_what_was_kept_for_a_time(self, kit: SuiteContext, size: int) -> None:
        """However many jobs were kept for a time, all are absent when it is over, trimmed or not."""
        driver = await kit.driver()
        ids = await push(driver, [kit.job(keep_for=kit.unit * 2) for _ in range(size)])
        worker = await kit.worker(driver)
        await worker.settle(*(Finish(claim.job_id, claim.token, b"1") for claim in await worker.claim(size)))
        assert (await driver.counts())[JobStatus.COMPLETED] == size
        assert [job is not None for job in await driver.ended(ids, kit.unit)] == [True] * size
        await kit.advance(kit.unit * 2)
        for _ in range(2):
            assert (await driver.counts())[JobStatus.COMPLETED] == 0
            assert [job async for job in driver.jobs(JobStatus.COMPLETED)] == []
            assert await driver.get(ids[-1]) is None
            assert await driver.recover() == 0  # it trims some, but not all

    @many
    @conformance_test(Capability.ABORT)
    async def test_size_aborts_of_one_worker(self, kit: SuiteContext, size: int) -> None:
        """The end of any number of a worker's claims may be asked for: each answer names all that still are held."""
        driver = await kit.driver()
        ids = await push(driver, [kit.job() for _ in range(size)])
        worker = await kit.worker(driver, DAY)
        claims = await worker.claim(size)
        for job_id in ids[:100]:
            await driver.abort(job_id)
        tokens = frozenset(claim.token for claim in claims[:100])
        assert (await driver.renew(worker.id, DAY)).aborts == tokens
        assert (await worker.exchange()).aborts == tokens
        await worker.settle(*released(claims[: size // 2]))
        left = frozenset(claim.token for claim in claims[size // 2 : 100])
        assert (await driver.renew(worker.id, DAY)).aborts == left
        await driver.close_worker(worker.id)
        assert await kit.claimed(driver, size) == ids[100:]

    @conformance_test(Capability.LANES)
    async def test_size_lanes_of_a_limit(self, kit: SuiteContext) -> None:
        """If more may run than before, the next jobs are claimed at once: those of each of any number of lanes."""
        driver = await kit.driver()
        lanes = 1100
        await driver.set_lane_limit("*", LaneLimit(1))
        await push(driver, [kit.job(lane=f"lane {number % lanes}") for number in range(2 * lanes)])
        worker = await kit.worker(driver, DAY)
        assert len({claim.lane for claim in await worker.claim(2 * lanes)}) == lanes
        assert await worker.claim(2 * lanes) == []
        await driver.set_lane_limit("*", LaneLimit(2))
        assert len({claim.lane for claim in await worker.claim(2 * lanes)}) == lanes

    @conformance_test(Capability.CLEANUP)
    async def test_size_a_cleanup_passes_over_many(self, kit: SuiteContext) -> None:
        """cleanup goes on until no job is left that is old enough, however many are passed over between them."""
        driver = await kit.driver()

        async def some(size: int, due: timedelta) -> list[JobID]:
            return await push(driver, [kit.job(due=due) for _ in range(size)])

        old = [*await some(5, DAY), *await some(5, DAY * 3), *await some(5, DAY * 5)]
        await kit.advance(kit.unit)
        young = [*await some(250, DAY * 2), *await some(450, DAY * 4)]
        cleaned = await driver.cleanup(pending_jobs=JobCleanup.remove(max_age=kit.unit))
        assert cleaned[JobStatus.PENDING] == len(old)
        assert set(outcomes(await driver.push([kit.job(job_id=job_id) for job_id in old]))) == {STORED}
        assert set(outcomes(await driver.push([kit.job(job_id=job_id) for job_id in young]))) == {DUPLICATE}


async def many_in(kit: SuiteContext, driver: AnyDriver, status: JobStatus, size: int) -> list[JobID]:
    """That many new jobs in a state, the oldest first."""
    if status is JobStatus.WAITING:
        kit.needs(Capability.FLOWS)
        jobs = [kit.job() for _ in range(size)]
        return await push(driver, [replace(job, batch=job.job_id) for job in jobs])
    ids = await push(driver, [kit.job() for _ in range(size)])
    if status is JobStatus.PENDING:
        return ids
    if status is JobStatus.PAUSED:
        kit.needs(Capability.RESUME)
        assert all(await asyncio.gather(*map(driver.pause, ids)))
        return ids
    if status is JobStatus.CANCELLED:
        kit.needs(Capability.CANCEL)
        # One after the other, so that their ends are in order.
        for job_id in ids:
            assert await driver.cancel(job_id)
        return ids
    worker = Worker(driver, "one with much to do")
    await driver.open_worker(worker.id, DAY)
    claims = await worker.claim(size)
    if status is JobStatus.COMPLETED:
        await worker.settle(*(Finish(claim.job_id, claim.token) for claim in claims))
    elif status is JobStatus.FAILED:
        await worker.settle(*(Fail(claim.job_id, claim.token, b"error") for claim in claims))
    return ids
