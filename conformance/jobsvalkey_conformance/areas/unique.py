"""Unique names: one job at a time holds each."""

import asyncio
from typing import Any

import pytest

from jobsvalkey.contract import (
    Capability,
    JobID,
    JobStatus,
    NewJob,
    Pushed,
    StoreOutcome,
    Unique,
    new_job_id,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, REPLACED, STORED, SuiteContext
from jobsvalkey_conformance.harness import AnyDriver, Hook
from jobsvalkey_conformance.marks import not_run

END = Unique("name")
START = Unique("name", "start")
REPLACING = Unique("name", otherwise="replace")
UNENDED = (JobStatus.PENDING, JobStatus.PAUSED, JobStatus.PROCESSING)


async def pushed(driver: AnyDriver, *items: NewJob) -> list[tuple[StoreOutcome, JobID]]:
    """The answers to a push of these."""
    return [(answer.outcome, answer.job_id) for answer in await driver.push(items)]


class UniqueTests(Suite):
    """`NewJob.unique`."""

    @pytest.mark.parametrize("status", UNENDED)
    @conformance_test(Capability.UNIQUE, Capability.INSPECTION, Capability.RESUME)
    async def test_unique_a_held_name_is_a_duplicate(self, kit: SuiteContext, status: JobStatus) -> None:
        """push while a job holds the name: `DUPLICATE` with that job's id; nothing is stored, no id remembered."""
        driver = await kit.driver()
        holder = await kit.in_state(driver, status, unique=END)
        other = kit.job(b"other", remember=True, unique=END)
        assert await pushed(driver, other) == [(DUPLICATE, holder)]
        assert await driver.get(other.job_id) is None
        stored = await driver.get(holder)
        assert stored is not None
        assert (stored.status, stored.request) == (status, b'{"in":"%s"}' % status.encode())
        assert sum((await driver.counts()).values()) == 1
        assert await pushed(driver, kit.job(job_id=other.job_id)) == [(STORED, other.job_id)]

    @conformance_test(Capability.UNIQUE, Capability.INSPECTION)
    async def test_unique_it_is_shown(self, kit: SuiteContext) -> None:
        """Claims and looks show the name that a job was pushed with."""
        driver = await kit.driver()
        names = [Unique("a"), Unique("b", "start", "replace"), Unique("c", kit.unit), None]
        jobs = [kit.job(unique=unique) for unique in names]
        await driver.push(jobs)
        stored = [await driver.get(job.job_id) for job in jobs]
        assert [job and job.unique for job in stored] == names
        worker = await kit.worker(driver)
        claims = {claim.job_id: claim.unique for claim in await worker.claim(4)}
        assert [claims[job.job_id] for job in jobs] == names

    @pytest.mark.parametrize("otherwise", ["skip", "replace"])
    @conformance_test(Capability.UNIQUE, Capability.INSPECTION)
    async def test_unique_the_id_goes_before_the_name(self, kit: SuiteContext, otherwise: Any) -> None:
        """An id that is present or remembered is a duplicate, whoever holds the name; the holder is left alone."""
        driver = await kit.driver()
        known, gone = kit.job(), kit.job(remember=True, due=kit.now() - kit.unit)
        await driver.push([known, gone])
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        holder = await kit.push(driver, b"holder", due=kit.unit, unique=END)
        unique = Unique("name", otherwise=otherwise)
        for job_id in (known.job_id, gone.job_id, holder):
            assert await pushed(driver, kit.job(b"new", job_id=job_id, unique=unique)) == [(DUPLICATE, job_id)]
        stored = await driver.get(holder)
        assert stored is not None
        assert stored.request == b"holder"

    # -- several at once

    @conformance_test(Capability.UNIQUE, Capability.INSPECTION)
    async def test_unique_items_act_one_after_the_other(self, kit: SuiteContext) -> None:
        """push of several: each is looked at as if those before it had been pushed alone."""
        driver = await kit.driver()
        first, same, new, last = (
            kit.job(request, due=kit.unit, unique=unique)
            for request, unique in ((b"1", END), (b"2", END), (b"3", REPLACING), (b"4", REPLACING))
        )
        twice, other = kit.job(b"5", job_id=first.job_id, unique=Unique("other")), kit.job(b"6", unique=Unique("other"))
        assert await pushed(driver, first, same, new, twice, other, last) == [
            (STORED, first.job_id),
            (DUPLICATE, first.job_id),
            (REPLACED, first.job_id),
            (DUPLICATE, first.job_id),
            (STORED, other.job_id),
            (REPLACED, first.job_id),
        ]
        stored = [job async for job in driver.jobs(JobStatus.PENDING)]
        assert {job.job_id: (job.request, job.unique) for job in stored} == {
            first.job_id: (b"4", REPLACING),
            other.job_id: (b"6", Unique("other")),
        }
        assert await driver.validate() == []

    @conformance_test(Capability.UNIQUE, Capability.INSPECTION)
    async def test_unique_one_that_was_there_is_replaced_twice(self, kit: SuiteContext) -> None:
        """push of several: the last of those that replace a job is what it has; the id of none of them is taken."""
        driver = await kit.driver()
        holder = await kit.push(driver, b"old", due=kit.unit * 9, unique=END)
        new = [kit.job(request, due=kit.unit, unique=REPLACING) for request in (b"1", b"2")]
        again = kit.job(b"3", job_id=new[0].job_id)
        assert await pushed(driver, *new, again) == [(REPLACED, holder), (REPLACED, holder), (STORED, again.job_id)]
        stored = {job.job_id: job.request async for job in driver.jobs(JobStatus.PENDING)}
        assert stored == {holder: b"2", again.job_id: b"3"}

    @conformance_test(Capability.UNIQUE, Capability.SCHEDULING, Capability.INSPECTION, Capability.METADATA)
    async def test_unique_conditional_pushes(self, kit: SuiteContext) -> None:
        """push_if: a held name is a duplicate or is replaced, and the metadata moves all the same."""
        driver = await kit.driver()

        async def push_if(job: NewJob, before: bytes | None, after: bytes) -> tuple[StoreOutcome, JobID]:
            answer = await driver.push_if(job, "key", before, after)
            return answer.outcome, answer.job_id

        first, new = kit.job(b"first", due=kit.unit, unique=END), kit.job(b"new", due=kit.unit, unique=REPLACING)
        assert await push_if(first, None, b"1") == (STORED, first.job_id)
        assert await push_if(kit.job(b"second", unique=END), b"1", b"2") == (DUPLICATE, first.job_id)
        assert (await push_if(new, b"1", b"3"))[0] is StoreOutcome.UNEXPECTED
        stored = await driver.get(first.job_id)
        assert stored is not None
        assert stored.request == b"first"
        assert await push_if(new, b"2", b"3") == (REPLACED, first.job_id)
        assert await driver.get_metadata("key") == b"3"
        stored = await driver.get(first.job_id)
        assert stored is not None
        assert stored.request == b"new"
        assert await driver.get(new.job_id) is None

    @conformance_test(Capability.UNIQUE)
    async def test_unique_pushers_at_once(self, kit: SuiteContext) -> None:
        """Of many that push one name at the same time over several drivers, one is stored; all hear of it."""
        drivers = [await kit.driver() for _ in range(2)]
        jobs = [kit.job(unique=END) for _ in range(20)]
        answers = await asyncio.gather(*(drivers[at % 2].push([job]) for at, job in enumerate(jobs)))
        flat = [answer for (answer,) in answers]
        stored = [answer.job_id for answer in flat if answer.outcome is STORED]
        assert len(stored) == 1
        assert {answer.job_id for answer in flat} == set(stored)
        assert await kit.claimed(drivers[0]) == stored

    # -- repeats

    @conformance_test(Capability.UNIQUE, Capability.CANCEL)
    async def test_unique_an_answer_is_history(self, kit: SuiteContext) -> None:
        """A repeated push is answered from memory, though the holder has ended since: it is not looked at again."""
        driver, operations = await kit.driver(), kit.operations()
        holder = await kit.push(driver, due=kit.unit, unique=END)
        job, number = kit.job(unique=END), operations()
        answers = [await driver.push([job], operation=number)]
        assert await driver.cancel(holder)
        answers.append(await driver.push([job], operation=number))
        assert answers == [[Pushed(DUPLICATE, holder)]] * 2
        assert await driver.push([job], operation=operations()) == [Pushed(STORED, job.job_id)]

    @conformance_test(Capability.UNIQUE, Capability.INSPECTION)
    async def test_unique_a_repeat_replaces_nothing(self, kit: SuiteContext) -> None:
        """A repeated replacement is answered alike, and does not undo a later one."""
        driver, operations = await kit.driver(), kit.operations()
        holder = await kit.push(driver, due=kit.unit, unique=END)
        plain, number = kit.job(), operations()
        items = [kit.job(b"1", due=kit.unit, unique=REPLACING), plain]
        first = await driver.push(items, operation=number)
        assert first == [Pushed(REPLACED, holder), Pushed(STORED, plain.job_id)]
        await driver.push([kit.job(b"2", due=kit.unit, unique=REPLACING)])
        assert await driver.push(items, operation=number) == first
        stored = await driver.get(holder)
        assert stored is not None
        assert stored.request == b"2"

    # -- names

    @conformance_test(Capability.UNIQUE)
    async def test_unique_names_are_any_text(self, kit: SuiteContext) -> None:
        """A name is any text of up to 1,024 bytes, and another one for each other text."""
        driver = await kit.driver()
        keys = [" ", "a", "A", "a ", " a", "a\n", "a b", "a:b", "a%20b", "%", "%%", "a\x00", "\x00", "*", "{}", "ä"]
        keys += ["a\u0308", "\u2028", "\r\n", "keep_for:1", "\\", "'", '"', "x" * 1024, "x" * 1023, "\U0001f600" * 256]
        jobs = [kit.job(unique=Unique(key)) for key in keys]
        assert await pushed(driver, *jobs) == [(STORED, job.job_id) for job in jobs]
        again = [kit.job(unique=Unique(key)) for key in keys]
        assert await pushed(driver, *again) == [(DUPLICATE, job.job_id) for job in jobs]
        worker = await kit.worker(driver)
        claims = {claim.job_id: claim for claim in await worker.claim(100)}
        assert [claims[job.job_id].unique for job in jobs] == [job.unique for job in jobs]
        await worker.finish(*claims.values())
        assert await pushed(driver, *again) == [(STORED, job.job_id) for job in again]

    @conformance_test(Capability.UNIQUE)
    async def test_unique_each_queue_has_its_own(self, kit: SuiteContext) -> None:
        """A name that is held in one queue is free in another."""
        driver = await kit.driver()
        other = await kit.driver(queue_key=f"{kit.configuration.queue_key}:other")
        jobs = [kit.job(unique=END) for _ in range(2)]
        for each, job in zip((driver, other), jobs, strict=True):
            assert await pushed(each, job) == [(STORED, job.job_id)]

    @conformance_test(Capability.UNIQUE, Hook.OBSERVE)
    async def test_unique_names_that_have_run_out_do_not_fill_the_store(self, kit: SuiteContext) -> None:
        """Names that were held for a time go when it is over, as others are taken and jobs end."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        for turn in range(6 if kit.clock else 3):
            await driver.push([kit.job(unique=Unique(f"{turn} {number}", kit.unit)) for number in range(20)])
            await worker.finish(*await worker.claim(20))
            await kit.advance(kit.unit)
        names = (await kit.harness.observe(kit.configuration)).names
        if names is None:
            not_run("the harness does not tell names")
        assert len(names) <= 50

    @conformance_test(Capability.UNIQUE, Capability.DURABILITY)
    async def test_unique_a_new_driver_knows_it(self, kit: SuiteContext) -> None:
        """Names are in the store: a driver that is made later finds them held."""
        async with kit.make(kit.configuration) as first:
            job_id = await kit.push(first, unique=END)
        assert await pushed(await kit.driver(), NewJob(new_job_id(), b"", unique=END)) == [(DUPLICATE, job_id)]
