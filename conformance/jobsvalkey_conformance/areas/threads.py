"""Drivers in several threads, each with an event loop of its own, on one store: steps that truly run at once."""

import secrets
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import Capability, JobID, JobStatus, NewJob, Operation
from jobsvalkey_conformance.beside import THREADS, in_threads
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver

ROUNDS = 30
"""How often a race is run: each time in another order."""
HOUR = timedelta(hours=1)
Step = Callable[[AnyDriver, JobID, int], Awaitable[bool]]


async def push(driver: AnyDriver, job_id: JobID, thread: int) -> bool:
    """Whether it stored the job."""
    answer = outcomes(await driver.push([NewJob(job_id, b"%d" % thread)]))
    assert answer in ([STORED], [DUPLICATE])
    return answer == [STORED]


async def push_if(driver: AnyDriver, job_id: JobID, thread: int) -> bool:
    """Whether it moved the key."""
    answer = await driver.push_if(NewJob(JobID(int=secrets.randbits(128)), b""), str(job_id), None, b"%d" % thread)
    return answer.outcome is STORED


STEPS: dict[str, tuple[frozenset[Capability], Step]] = {
    "push": (frozenset(), push),
    "push_if": (frozenset({Capability.SCHEDULING, Capability.METADATA}), push_if),
    "cancel": (frozenset({Capability.CANCEL}), lambda driver, job_id, _: driver.cancel(job_id)),
    "pause": (frozenset({Capability.RESUME}), lambda driver, job_id, _: driver.pause(job_id)),
    "remove": (frozenset({Capability.CLEANUP}), lambda driver, job_id, _: driver.remove(job_id)),
    "acquire_lock": (
        frozenset({Capability.METADATA}),
        lambda driver, job_id, thread: driver.acquire_lock(str(job_id), b"%d" % thread, HOUR),
    ),
}
"""Steps that one of many can do, and whether it was this one."""


class ThreadTests(Suite):
    """Each step is atomic, also beside those of other threads."""

    @conformance_test(several_loops=True)
    async def test_thread_no_job_is_claimed_twice(self, kit: SuiteContext) -> None:
        """A claim is one worker's: threads that claim at once share the jobs out, each one once."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, 200)

        async def drain(driver: AnyDriver, thread: int) -> list[JobID]:
            worker, got = Worker(driver, f"worker {thread}"), list[JobID]()
            await driver.open_worker(worker.id, HOUR)
            while claims := await worker.claim(3):
                got += [claim.job_id for claim in claims]
                await worker.finish(*claims)
            return got

        found = await in_threads(kit, drain)
        assert Counter(job_id for got in found for job_id in got) == Counter(ids)

    @pytest.mark.parametrize("step", STEPS)
    @conformance_test(several_loops=True)
    async def test_thread_one_of_many(self, kit: SuiteContext, step: str) -> None:
        """Each row is one atomic step: of threads that try the same at once, without numbers, one does it."""
        needs, call = STEPS[step]
        kit.needs(*needs)
        driver = await kit.driver()
        there = step in ("cancel", "pause", "remove")
        ids = await kit.push_many(driver, ROUNDS) if there else [kit.job().job_id for _ in range(ROUNDS)]
        together = threading.Barrier(THREADS)

        async def attempt(driver: AnyDriver, thread: int) -> list[bool]:
            done: list[bool] = []
            for job_id in ids:
                together.wait(30)  # this thread has nothing else to do
                done.append(await call(driver, job_id, thread))
            return done

        found = await in_threads(kit, attempt)
        assert [sum(each) for each in zip(*found, strict=True)] == [1] * ROUNDS

    @conformance_test(several_loops=True)
    async def test_thread_one_operation(self, kit: SuiteContext) -> None:
        """Repeats at the same time: the step is done once, and all get the same answer, whichever thread asks."""
        driver = await kit.driver()
        jobs = [kit.job() for _ in range(ROUNDS)]
        together = threading.Barrier(THREADS)

        async def repeat(driver: AnyDriver, thread: int) -> list[Any]:
            answers: list[Any] = []
            for sequence, job in enumerate(jobs):
                together.wait(30)
                answers += outcomes(await driver.push([job], operation=Operation("producer", sequence)))
            return answers

        found = await in_threads(kit, repeat)
        assert found == [[STORED] * ROUNDS] * THREADS
        assert await kit.claimed(driver) == [job.job_id for job in jobs]

    @conformance_test(Capability.QUEUE, Capability.INSPECTION, several_loops=True)
    async def test_thread_nobody_sees_half(self, kit: SuiteContext) -> None:
        """A step happens as a whole: who never stops looking sees all jobs of a push, a claim or an end, or none."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        over = threading.Event()

        async def move(driver: AnyDriver, thread: int) -> list[dict[JobStatus, int]]:
            looks: list[dict[JobStatus, int]] = []
            if thread:
                while not over.is_set():
                    looks.append(await driver.counts())
                return looks
            worker = Worker(driver, "worker")
            await driver.open_worker(worker.id, HOUR)
            try:
                for _ in range(ROUNDS):
                    await driver.push([kit.job() for _ in range(10)])
                    await worker.finish(*await worker.claim(10))
            finally:
                over.set()
            return looks

        found = await in_threads(kit, move, 2, retention_policy=RETAIN_ALL)
        halves = [look for looks in found for look in looks if any(count % 10 for count in look.values())]
        assert halves == [], "a step was seen while it was half done"
        assert (await driver.counts())[JobStatus.COMPLETED] == 10 * ROUNDS
