"""Jobs of one push of which one stands for another: its id or its name came before."""

from typing import Literal

import pytest

from jobsvalkey.contract import Capability, JobID, NewJob, Unique, new_job_id
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, REPLACED, RETAIN_ALL, STORED, SuiteContext, outcomes


class StandsForTests(Suite):
    """An item that is a duplicate stands for the job that was there, also if that came earlier in the same push."""

    @pytest.mark.parametrize("otherwise", ["skip", "replace"])
    @conformance_test(Capability.UNIQUE)
    async def test_same_push_a_name_is_held_by_the_first(
        self, kit: SuiteContext, otherwise: Literal["skip", "replace"]
    ) -> None:
        """The items of a push act as if they were pushed one after the other: the first takes the name."""
        driver = await kit.driver()
        jobs = [kit.job(b"%d" % number, unique=Unique("name", otherwise=otherwise)) for number in range(3)]
        done = await driver.push(jobs)
        later = DUPLICATE if otherwise == "skip" else REPLACED
        assert outcomes(done) == [STORED, later, later]
        assert {pushed.job_id for pushed in done} == {jobs[0].job_id}
        claims = await (await kit.worker(driver)).claim(9)
        assert [(claim.job_id, claim.request) for claim in claims] == [
            (jobs[0].job_id, b"0" if otherwise == "skip" else b"2")
        ]

    @pytest.mark.parametrize("by", ["id", "name", "replaced name"])
    @conformance_test(Capability.FLOWS)
    async def test_same_push_a_parent_stands_for_the_first(self, kit: SuiteContext, by: str) -> None:
        """A child of the second item of a name, or of an id, waits for the first: nothing else is there."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        first, second = self._two(kit, by)
        child = kit.job(due=kit.now(), after=[second.job_id])
        done = await driver.push([first, second, child])
        assert outcomes(done) == [STORED, REPLACED if by == "replaced name" else DUPLICATE, STORED]
        worker = await kit.worker(driver)
        claims = await worker.claim(9)
        assert [claim.job_id for claim in claims] == [first.job_id]
        await worker.finish(*claims)
        claim = await worker.claim_one()
        assert (claim.job_id, claim.after) == (child.job_id, (first.job_id,))
        assert [given.job_id for given in claim.inputs] == [first.job_id]

    @pytest.mark.parametrize("by", ["id", "name"])
    @conformance_test(Capability.FLOWS)
    async def test_same_push_a_batch_stands_for_the_first(self, kit: SuiteContext, by: str) -> None:
        """A member of the second callback of a name, or of an id, is a member of the first one's batch."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        first, second = self._two(kit, by, is_batch=True)
        member = kit.job(due=kit.now(), batch=second.job_id)
        assert outcomes(await driver.push([first, second, member])) == [STORED, DUPLICATE, STORED]
        assert await driver.close_batch(first.job_id)
        worker = await kit.worker(driver)
        claims = await worker.claim(9)
        assert [(claim.job_id, claim.batch) for claim in claims] == [(member.job_id, first.job_id)]
        await worker.finish(*claims)
        assert (await worker.claim_one()).job_id == first.job_id

    @staticmethod
    def _two(kit: SuiteContext, by: str, *, is_batch: bool = False) -> tuple[NewJob, NewJob]:
        """Two new jobs of one id or of one name."""
        if by != "id":
            kit.needs(Capability.UNIQUE)
        unique = None if by == "id" else Unique("name", otherwise="replace" if by == "replaced name" else "skip")

        def job(job_id: JobID) -> NewJob:
            return kit.job(job_id=job_id, due=kit.now(), unique=unique, batch=job_id if is_batch else None)

        first = job(new_job_id())
        return first, job(first.job_id if by == "id" else new_job_id())
