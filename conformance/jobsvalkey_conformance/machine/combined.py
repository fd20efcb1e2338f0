"""Each step that a job can take, for jobs with any two features: driver and twin side by side."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    Capability,
    JobCleanup,
    JobStatus,
    NewJob,
    RetentionPolicy,
    Unique,
    new_job_id,
    retain_for,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext
from jobsvalkey_conformance.machine.pair import Pair
from jobsvalkey_conformance.machine.rows import FEW, LONG, SHORT, Rows

FOR_A_WHILE = retain_for(LONG / 4)
KEPT = RetentionPolicy(completed_jobs=FOR_A_WHILE, failed_jobs=FOR_A_WHILE, cancelled_jobs=FOR_A_WHILE)
SETTLED = ("finish", "return", "fail", "keep", "retry", "retry later", "release", "cancel")
TAKEN = ("close", "recovery", "cleanup that reruns", "cleanup that removes")
WAITED = ("cancel each", "abort each", "remove each", "pause", "replace", "expiry", "cleanup")
ENDED = ("rerun", "remove", "cleanup of the ended", "rerun of the ended")
CASES = [
    *((end, True) for end in (*SETTLED, *TAKEN, *WAITED, *ENDED)),
    # And if nothing is kept, while the queue is paused, where that makes a difference.
    *((end, False) for end in ("finish", "fail", "cancel", "recovery", "expiry", "cancel each", "pause")),
]
NEEDS = {
    **dict.fromkeys(("cancel", "abort each"), Capability.ABORT),
    **dict.fromkeys(("cleanup that reruns", "cleanup that removes", "remove each", "cleanup"), Capability.CLEANUP),
    **dict.fromkeys(ENDED, Capability.CLEANUP),
    "return": Capability.RESULTS,
    "cancel each": Capability.CANCEL,
    "pause": Capability.RESUME,
    "replace": Capability.UNIQUE,
    "expiry": Capability.EXPIRY,
}


@asynccontextmanager
async def rows(kit: SuiteContext, policy: RetentionPolicy) -> AsyncGenerator[Rows]:
    """The jobs, waiting after the past that they are to have."""
    assert kit.clock is not None
    configuration = replace(
        kit.configuration,
        retention_policy=policy,
        activity=Capability.ACTIVITY in kit.capabilities,
        idempotency_window=LONG / 3,
    )
    pair = Pair(kit.harness, configuration, kit.clock)
    await pair.open()
    try:
        made = Rows(pair, kit.clock)
        await made.begin()
        await made.live()
        yield made
    finally:
        await pair.aclose()


class CombinedTests(Suite):
    """Whatever features a job has together, each of them keeps its promises at each step."""

    @pytest.mark.parametrize(("end", "is_kept"), CASES)
    @conformance_test(driven_clock=True)
    async def test_combined_features_of_one_job(self, kit: SuiteContext, end: str, is_kept: bool) -> None:
        """Any two features, at each end of a claim or a wait: driver and twin show the same, then and ever after."""
        if need := NEEDS.get(end):
            kit.needs(need)
        async with rows(kit, KEPT if is_kept else RetentionPolicy()) as jobs:
            pair, is_paused = jobs.pair, not is_kept and jobs.can(Capability.PAUSE_QUEUE)
            claims = [] if end in WAITED else await jobs.run("worker")
            if end in ENDED:
                await jobs.finish(claims)
            await jobs.compare()
            if is_paused:
                await pair.both("pause_queue", lambda driver: driver.pause_queue())
            if end in SETTLED:
                await jobs.settle(dict.fromkeys(claims, end))
            else:
                await _end(jobs, end)
            await jobs.compare()
            if end != "close":
                await jobs.settle(dict.fromkeys(claims, "fail"))  # too late: the claims are lost
            if is_paused:
                await pair.both("resume_queue", lambda driver: driver.resume_queue())
            jobs.clock.advance(SHORT)
            if jobs.can(Capability.FLOWS):
                await jobs.each("close_batch", [jobs.callback, *jobs.with_("callback")])
            await _go_on(jobs)
            await _live_again(jobs, "keep" if is_kept else "finish")


async def _end(jobs: Rows, end: str) -> None:
    pair = jobs.pair
    match end:
        case "close":
            await pair.both(end, lambda driver: driver.close_worker("worker"))
        case "recovery":
            await pair.renew("worker", SHORT)
            jobs.clock.advance(SHORT)
            await pair.both(end, lambda driver: driver.recover(), repeatable=False)
        case "cleanup that reruns" | "cleanup that removes" | "cleanup" | "rerun of the ended" | "cleanup of the ended":
            cleanup = JobCleanup("rerun") if "rerun" in end else JobCleanup.remove()
            status = JobStatus.COMPLETED if "ended" in end else JobStatus.PROCESSING
            status = JobStatus.PENDING if end == "cleanup" else status
            await pair.both(end, lambda driver: driver.cleanup_step(status, cleanup, max_jobs=999))
            jobs.clock.advance(LONG if end == "rerun of the ended" else SHORT)  # longer than they would have been kept
        case "pause":
            await jobs.each("pause", jobs.ids)
            await jobs.compare()
            await jobs.each("resume", jobs.ids)
        case "replace":
            paused = jobs.with_("pause", Capability.RESUME)
            await jobs.each("pause", paused)
            await jobs.push("replacing jobs", [jobs.item(row, None, later=1, replaces=True) for row in jobs.rows])
            await jobs.compare()
            await jobs.each("resume", paused)
        case "expiry":
            await jobs.each("pause", jobs.with_("pause", Capability.RESUME))
            jobs.clock.advance(LONG)
            await jobs.exchange("first worker")
        case _:
            await jobs.each(end.split()[0], jobs.ids)


async def _go_on(jobs: Rows) -> None:
    """Run all to its end, some after the expiry of others; then ask for the names and the ids."""
    claims = await jobs.claims("next worker")
    await jobs.finish(claims[FEW:])
    jobs.clock.advance(timedelta(hours=1))
    await jobs.finish(claims[:FEW])
    await jobs.finish(await jobs.claims("last worker"))
    await jobs.compare()
    if jobs.can(Capability.FLOWS):
        present = [job_id for job_id in jobs.ids if await jobs.pair.twin.status(job_id)]
        late = [NewJob(new_job_id(), b"late", after=(job_id,)) for job_id in present]
        await jobs.push("late children", late)
        await jobs.compare()
    again = [NewJob(job_id, b"again") for job_id in jobs.ids]
    if jobs.can(Capability.UNIQUE):
        names = [Unique(f"name {row.number}") for row in jobs.rows]
        again += [NewJob(new_job_id(), b"again", unique=name) for name in names]
    await jobs.push("ids and names", again)
    await jobs.finish(await jobs.claims("last worker"))


async def _live_again(jobs: Rows, end_of_the_parent: str) -> None:
    """Live once more, when nothing is remembered, and wait for a parent this time."""
    jobs.clock.advance(LONG)
    await jobs.begin(are_held=True)
    await jobs.compare()
    await jobs.settle(dict.fromkeys(jobs.root_claims, end_of_the_parent))
    await jobs.finish(await jobs.claims("worker of the second life"))
    await jobs.compare()
