"""The runs of a job that came to no good end, as a look at the job shows them."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    LONGEST_LINE,
    MOST_RUNS,
    AbortOutcome,
    Capability,
    Fail,
    JobID,
    JobStatus,
    Release,
    Retry,
    SettleOutcome,
    StoredRun,
    Unique,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import REPLACED, RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver


async def runs_of(driver: AnyDriver, job_id: JobID) -> tuple[StoredRun, ...]:
    """The runs of a job that must be there; `jobs` shows the same."""
    stored = await driver.get(job_id)
    assert stored is not None
    assert [each.runs async for each in driver.jobs(stored.status) if each.job_id == job_id] == [stored.runs]
    return stored.runs


async def retry(worker: Worker, error: bytes | None) -> None:
    """Claim the one job that must be there, and let it be retried at once."""
    claim = await worker.claim_one()
    await worker.settle(Retry(claim.job_id, claim.token, error=error))


class RunTests(Suite):
    """`StoredJob.runs`."""

    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r\n"], ids=repr)
    @conformance_test(Capability.INSPECTION)
    async def test_runs_show_one_line_of_the_error(self, kit: SuiteContext, line_end: bytes) -> None:
        """Each run has the first line of its error, however the lines end; the job has the whole error."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        await retry(worker, b"first" + line_end + b"1 not-a-run and more")
        claim = await worker.claim_one()
        assert claim.error == b"first" + line_end + b"1 not-a-run and more"
        await worker.settle(Fail(job_id, claim.token, b"second" + line_end))
        assert [run.error for run in await runs_of(driver, job_id)] == [b"second", b"first"]

    @conformance_test(Capability.INSPECTION)
    async def test_runs_that_failed_are_shown_the_latest_first(self, kit: SuiteContext) -> None:
        """`Retry` with an error, `Fail`: the run is shown with its time, its worker and the error's first line."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver)
        assert await runs_of(driver, job_id) == ()
        first, second = await kit.worker(driver), await kit.worker(driver)
        await retry(first, b"one\nand more")
        before = kit.now()
        (run,) = await runs_of(driver, job_id)
        assert (run.worker, run.error) == (first.id, b"one")
        assert kit.same_time(run.at, before)
        await kit.advance(kit.unit)
        claim = await second.claim_one()
        await second.settle(Fail(job_id, claim.token, b"two"))
        last, *earlier = await runs_of(driver, job_id)
        assert (last.worker, last.error) == (second.id, b"two")
        assert kit.same_time(last.at, kit.now())
        assert earlier == [run]

    @conformance_test(Capability.INSPECTION)
    async def test_runs_are_the_last_eight(self, kit: SuiteContext) -> None:
        """Of more than eight runs the latest are shown."""
        driver, errors = await kit.driver(), [b"%d" % number for number in range(MOST_RUNS + 2)]
        job_id, worker = await kit.push(driver), await kit.worker(driver)
        for error in errors:
            await retry(worker, error)
        assert [run.error for run in await runs_of(driver, job_id)] == errors[::-1][:MOST_RUNS]

    @pytest.mark.parametrize(
        ("error", "line"),
        [
            (b"x" * (LONGEST_LINE + 1), b"x" * LONGEST_LINE),
            (b"one\r\ntwo", b"one"),
            (b"one\rtwo", b"one"),
            (b"\ntwo", b""),
            (b"one\n1 two three\n", b"one"),
            (b" one  two ", b" one  two "),
            (b"\xff\x00\x0b\x0c", b"\xff\x00\x0b\x0c"),
        ],
        ids=["long", "CR LF", "CR", "empty", "like runs", "spaces", "any bytes"],
    )
    @conformance_test(Capability.INSPECTION)
    async def test_runs_have_the_first_line(self, kit: SuiteContext, error: bytes, line: bytes) -> None:
        """The first line of the error is shown, at most 200 bytes of it, whatever it holds."""
        driver = await kit.driver()
        job_id, worker = await kit.push(driver), await kit.worker(driver)
        await retry(worker, error)
        await retry(worker, b"next")
        assert [run.error for run in await runs_of(driver, job_id)] == [b"next", line]

    @conformance_test(Capability.INSPECTION)
    async def test_runs_without_an_error_are_none(self, kit: SuiteContext) -> None:
        """Release, `Retry` without an error, closing and the recovery from a leaving worker are no bad ends."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        closing, leaving, worker = await kit.worker(driver), await kit.worker(driver), await kit.worker(driver)
        await closing.claim_one()
        await driver.close_worker(closing.id)
        await leaving.claim_one()
        await driver.renew(leaving.id, kit.unit, leaving=True)
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        claim = await worker.claim_one()
        await worker.settle(Release(job_id, claim.token))
        await retry(worker, None)
        assert await runs_of(driver, job_id) == ()

    @conformance_test(Capability.INSPECTION)
    async def test_runs_whose_worker_died_are_shown(self, kit: SuiteContext) -> None:
        """`recover`: the run is shown without an error, among those that failed."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        dead, worker = await kit.worker(driver, kit.unit), await kit.worker(driver)
        await retry(worker, b"before")
        await dead.claim_one()
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        died, before = await runs_of(driver, job_id)
        assert (died.worker, died.error) == (dead.id, None)
        assert kit.same_time(died.at, kit.now())
        assert (before.worker, before.error) == (worker.id, b"before")
        await retry(worker, b"after")
        assert [run.error for run in await runs_of(driver, job_id)] == [b"after", None, b"before"]

    @pytest.mark.parametrize("name", ["a b", "a\nb\n", "100%", "%41", "ä\t\r", "-"], ids=range(6))
    @conformance_test(Capability.INSPECTION)
    async def test_runs_of_a_worker_of_any_name(self, kit: SuiteContext, name: str) -> None:
        """The worker's id is shown as it is."""
        driver = await kit.driver()
        job_id, worker = await kit.push(driver), Worker(driver, name)
        await driver.open_worker(name, kit.unit)
        await retry(worker, b"one two")
        await worker.claim_one()
        running = await driver.get(job_id)
        assert running is not None
        assert running.worker == name
        assert [each.worker for each in await driver.workers()] == [name]
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        assert [(run.worker, run.error) for run in await runs_of(driver, job_id)] == [(name, None), (name, b"one two")]

    @conformance_test(Capability.INSPECTION, Capability.CLEANUP)
    async def test_runs_stay_after_a_rerun(self, kit: SuiteContext) -> None:
        """`rerun` clears the error, and leaves the runs: they say what has been tried."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id, worker = await kit.push(driver), await kit.worker(driver)
        claim = await worker.claim_one()
        await worker.settle(Fail(job_id, claim.token, b"one"))
        assert await driver.rerun(job_id)
        await retry(worker, b"two")
        await worker.finish(await worker.claim_one())
        assert [run.error for run in await runs_of(driver, job_id)] == [b"two", b"one"]

    @conformance_test(Capability.INSPECTION, Capability.CLEANUP)
    async def test_runs_go_with_the_job(self, kit: SuiteContext) -> None:
        """A new job of the id of one that is gone has none."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job, worker = kit.job(), await kit.worker(driver)
        await driver.push([job])
        await retry(worker, b"one")
        assert len(await runs_of(driver, job.job_id)) == 1
        assert await driver.remove(job.job_id)
        assert outcomes(await driver.push([job])) == [STORED]
        assert await runs_of(driver, job.job_id) == ()

    @conformance_test(Capability.INSPECTION, Capability.UNIQUE)
    async def test_runs_of_a_job_that_is_replaced_are_cleared(self, kit: SuiteContext) -> None:
        """A job that was replaced has not run."""
        driver = await kit.driver()
        unique = Unique("name", otherwise="replace")
        job_id, worker = await kit.push(driver, unique=unique), await kit.worker(driver)
        await retry(worker, b"one")
        assert len(await runs_of(driver, job_id)) == 1
        assert outcomes(await driver.push([kit.job(unique=unique)])) == [REPLACED]
        assert await runs_of(driver, job_id) == ()

    @conformance_test(Capability.INSPECTION, Capability.ABORT)
    async def test_runs_that_were_aborted_are_none(self, kit: SuiteContext) -> None:
        """A `Retry` of a job that is to be aborted cancels it: what it says is no error of the job."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id, worker = await kit.push(driver), await kit.worker(driver, timedelta(hours=1))
        claim = await worker.claim_one()
        assert await driver.abort(job_id) is AbortOutcome.REQUESTED
        assert await worker.settle(Retry(job_id, claim.token, error=b"one")) == [SettleOutcome.SETTLED]
        assert await driver.status(job_id) is JobStatus.CANCELLED
        assert await runs_of(driver, job_id) == ()
