"""Jobs with any two features at once, through each step that a job can take: side by side with the twin."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import pytest

from jobsvalkey.contract import (
    Capability,
    Exchanged,
    JobCleanup,
    JobID,
    JobStatus,
    LaneLimit,
    NewJob,
    RetentionPolicy,
    Unique,
    WorkerID,
    new_job_id,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, SuiteContext
from jobsvalkey_conformance.machine.pair import Pair, PairedClaim, PairedExchange, PairedReport, PairedSettlement
from jobsvalkey_memory import ManualClock

FEATURES = (
    *("remember", "delayed", "failed before", "rerun before", "recovered before"),
    *("keep_for", "unique", "expires", "priority", "lane", "limit", "rate", "progress", "state"),
    *("children", "parents", "run", "member", "abort", "pause"),
)
ROWS = 32
"""Of jobs: a power of two above the number of features."""
SETTLED = ("finish", "return", "fail", "keep", "retry", "retry later", "release", "cancel")
TAKEN = ("close", "recovery", "cleanup rerun", "cleanup remove")
WAITED = ("cancelled", "aborted", "removed", "resumed", "replaced", "expired", "cleaned up")
SHORT, LONG = timedelta(minutes=1), timedelta(hours=2)
LIMITS = {
    "limited": LaneLimit(99),
    "rated": LaneLimit(rate=(999, SHORT)),
    "limitedrated": LaneLimit(99, (999, SHORT)),
}
SPANS: tuple[Literal["end", "start"] | timedelta, ...] = ("end", "start", timedelta(minutes=20))


class Row:
    """A job with some of the features: each two of them are in a quarter of the rows, each one alone in one."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.job_id = new_job_id()
        names = enumerate(FEATURES, start=1)
        self.features: set[str] = (
            {name for bits, name in names if (bits & number).bit_count() % 2}
            if number < ROWS
            else {FEATURES[number - ROWS]}
        )

    def has(self, feature: str) -> bool:
        """Whether the job has the feature."""
        return feature in self.features


class Table:
    """One queue with all the rows, twice."""

    def __init__(self, pair: Pair, clock: ManualClock) -> None:
        self.pair = pair
        self.clock = clock
        self.rows: list[Row] = [Row(number) for number in range(ROWS + len(FEATURES))]
        self.others: list[JobID] = []
        self.sequences: dict[WorkerID, int] = {}
        self.callback: JobID = new_job_id()

    def can(self, *capabilities: Capability) -> bool:
        """Whether the driver has all of these."""
        return self.pair.states(*capabilities)

    def ids(self, feature: str, *needs: Capability) -> list[JobID]:
        """The jobs with a feature; none if the driver cannot do what it needs."""
        return [row.job_id for row in self.rows if row.has(feature)] if self.can(*needs) else []

    def item(self, row: Row, root: JobID, *, otherwise: Literal["skip", "replace"] = "skip") -> NewJob:
        """The push of a row."""
        values: dict[str, Any] = {}
        if self.can(Capability.RESULTS) and row.has("keep_for"):
            values["keep_for"] = LONG
        if self.can(Capability.UNIQUE) and row.has("unique"):
            values["unique"] = Unique(f"name {row.number}", SPANS[row.number % 3], otherwise)
        if self.can(Capability.EXPIRY) and row.has("expires"):
            values["expires"] = timedelta(hours=1)
        if self.can(Capability.LANES):
            limited = f"{'limited' if row.has('limit') else ''}{'rated' if row.has('rate') else ''}"
            values |= {"priority": 5 * row.has("priority"), "lane": limited or ("free" if row.has("lane") else None)}
        if self.can(Capability.FLOWS, Capability.RESULTS):
            values["after"] = (root,) if row.has("parents") else ()
            values["if_failed"] = "run" if row.has("run") else "cancel"
            values["batch"] = self.callback if row.has("member") else None
        due = timedelta(seconds=30) if row.has("delayed") else None
        request = ", ".join(sorted(row.features)).encode() or b"none"
        return NewJob(row.job_id, request, due, row.has("remember"), **values)

    async def begin(self) -> None:
        """Push all rows, with a parent that has ended, a batch that they are of, and jobs that wait for them."""
        root, pair = new_job_id(), self.pair
        for lane, limit in LIMITS.items() if self.can(Capability.LANES) else ():
            await pair.both(f"limit of {lane}", lambda driver, of=lane, to=limit: driver.set_lane_limit(of, to))
        first, later = list[NewJob](), list[NewJob]()
        if self.can(Capability.FLOWS, Capability.RESULTS):
            callback = NewJob(self.callback, b"callback", batch=self.callback)
            first = [NewJob(root, b"root", keep_for=LONG * 99), callback]
            for number, parent in enumerate(self.ids("children")):
                if_failed = "run" if number % 2 else "cancel"
                later.append(NewJob(new_job_id(), b"child", after=(parent,), if_failed=if_failed))
        self.others = [job.job_id for job in (*first, *later)]
        if first:
            await pair.both("push of the parent", lambda driver: driver.push(first))
            await self.finish_all("parents' worker")
        items = [*(self.item(row, root) for row in self.rows), *later]
        await pair.both("push", lambda driver: driver.push(items))
        self.clock.advance(SHORT)

    async def live(self) -> None:
        """Give the jobs the past that their rows say, and let them wait again."""
        pair = self.pair
        first = await self.claims("first worker")
        reruns = self.ids("rerun before", Capability.CLEANUP)
        await self.settle({claim: "keep" if claim.job_id in reruns else "release" for claim in first})
        for job_id in reruns:
            await pair.both("rerun", lambda driver, job_id=job_id: driver.rerun(job_id))
        failed = self.ids("failed before")
        second = await self.claims("second worker")
        await self.settle({claim: "retry later" if claim.job_id in failed else "release" for claim in second})
        self.clock.advance(SHORT)
        lost = self.ids("recovered before")
        third = await self.claims("third worker", SHORT)
        await self.settle({claim: "release" for claim in third if claim.job_id not in lost})
        self.clock.advance(SHORT)
        await pair.both("recover", lambda driver: driver.recover(), repeatable=False)
        for job_id in self.ids("pause", Capability.RESUME):
            await pair.both("pause", lambda driver, job_id=job_id: driver.pause(job_id))
            await pair.both("resume", lambda driver, job_id=job_id: driver.resume(job_id))

    async def run(self, worker: WorkerID) -> list[PairedClaim]:
        """Claim all, report of some, and ask for the end of others."""
        claims = await self.claims(worker)
        if self.can(Capability.REPORTS):
            shown, saved = self.ids("progress"), self.ids("state")
            reports = [PairedReport("progress", claim, b"half") for claim in claims if claim.job_id in shown]
            reports += [PairedReport("state", claim, b"so far") for claim in claims if claim.job_id in saved]
            await self.exchange(worker, reports=reports)
        for job_id in self.ids("abort", Capability.ABORT):
            await self.pair.both("abort", lambda driver, job_id=job_id: driver.abort(job_id))
        return claims

    async def claims(self, worker: WorkerID, hold_for: timedelta = LONG * 99) -> list[PairedClaim]:
        """Open a worker, and claim all that can be claimed."""
        if worker not in self.sequences:
            await self.pair.both("open_worker", lambda driver: driver.open_worker(worker, hold_for))
        before = len(self.pair.claims)
        await self.exchange(worker, limit=999)
        return self.pair.claims[before:]

    async def settle(self, kinds: dict[PairedClaim, str]) -> None:
        """Settle claims of one worker."""
        if kinds:
            worker = next(iter(kinds)).worker
            await self.exchange(worker, [PairedSettlement(kind, claim) for claim, kind in kinds.items()])

    async def exchange(
        self,
        worker: WorkerID,
        settlements: Sequence[PairedSettlement] = (),
        limit: int = 0,
        reports: Sequence[PairedReport] = (),
    ) -> None:
        """One exchange of a worker."""
        sequence = self.sequences[worker] = self.sequences.get(worker, 0) + 1
        done = await self.pair.exchange(
            f"exchange {sequence} of {worker}", PairedExchange(worker, sequence, settlements, limit, reports)
        )
        assert isinstance(done, Exchanged)

    async def finish_all(self, worker: WorkerID) -> None:
        """Run what there is to its end."""
        await self.settle(
            {claim: "return" if self.can(Capability.RESULTS) else "finish" for claim in await self.claims(worker)}
        )

    async def compare(self) -> None:
        """Compare all that is shown, and what lies in the store."""
        await self.pair.compare([row.job_id for row in self.rows] + self.others, (), singly=False)


@asynccontextmanager
async def table(kit: SuiteContext, policy: RetentionPolicy) -> AsyncGenerator[Table]:
    """The jobs, waiting after what their rows say of their past."""
    assert kit.clock is not None
    activity = Capability.ACTIVITY in kit.capabilities
    configuration = replace(kit.configuration, retention_policy=policy, activity=activity)
    pair = Pair(kit.harness, configuration, kit.clock)
    await pair.open()
    try:
        made = Table(pair, kit.clock)
        await made.begin()
        await made.live()
        yield made
    finally:
        await pair.aclose()


class CombinedTests(Suite):
    """Whatever features a job has together, each of them keeps its promises at each step."""

    @pytest.mark.parametrize("is_kept", [True, False])
    @pytest.mark.parametrize("end", [*SETTLED, *TAKEN, *WAITED])
    @conformance_test(driven_clock=True)
    async def test_combined_features_of_one_job(self, kit: SuiteContext, end: str, is_kept: bool) -> None:
        """Any two features of a job, at each end of a claim or a wait: driver and twin show the same, now and later."""
        if end == "cancel":
            kit.needs(Capability.ABORT)
        async with table(kit, RETAIN_ALL if is_kept else RetentionPolicy()) as jobs:
            pair = jobs.pair
            ids = [row.job_id for row in jobs.rows]
            if end in WAITED:
                await _end_waiting(jobs, end)
            else:
                claims = await jobs.run("worker")
                await jobs.compare()
                if end in SETTLED:
                    await jobs.settle(dict.fromkeys(claims, end))
                elif end == "close":
                    await pair.both("close_worker", lambda driver: driver.close_worker("worker"))
                elif end == "recovery":
                    await pair.renew("worker", SHORT)
                    jobs.clock.advance(SHORT)
                    await pair.both("recover", lambda driver: driver.recover(), repeatable=False)
                elif jobs.can(Capability.CLEANUP):
                    cleanup = JobCleanup("rerun") if end == "cleanup rerun" else JobCleanup.remove()
                    await pair.both(
                        end, lambda driver: driver.cleanup_step(JobStatus.PROCESSING, cleanup, max_jobs=999)
                    )
            await jobs.compare()
            jobs.clock.advance(SHORT)
            if jobs.can(Capability.FLOWS):
                await pair.both("close_batch", lambda driver: driver.close_batch(jobs.callback))
            await jobs.finish_all("next worker")
            await jobs.finish_all("last worker")
            await jobs.compare()
            if jobs.can(Capability.UNIQUE):
                again = [NewJob(new_job_id(), b"again", unique=Unique(f"name {row.number}")) for row in jobs.rows]
                jobs.others += [item.job_id for item in again]
                await pair.both("push of the names", lambda driver: driver.push(again))
            more = [NewJob(job_id, b"once more") for job_id in ids]
            await pair.both("push of the ids", lambda driver: driver.push(more))
            jobs.clock.advance(LONG)
            await jobs.finish_all("very last worker")
            await jobs.compare()


async def _end_waiting(jobs: Table, end: str) -> None:
    pair, ids = jobs.pair, [row.job_id for row in jobs.rows]
    match end:
        case "cancelled" if jobs.can(Capability.CANCEL):
            for job_id in ids:
                await pair.both("cancel", lambda driver, job_id=job_id: driver.cancel(job_id))
        case "aborted" if jobs.can(Capability.ABORT):
            for job_id in ids:
                await pair.both("abort", lambda driver, job_id=job_id: driver.abort(job_id))
        case "removed" if jobs.can(Capability.CLEANUP):
            for job_id in ids:
                await pair.both("remove", lambda driver, job_id=job_id: driver.remove(job_id))
        case "resumed" if jobs.can(Capability.RESUME):
            for job_id in ids:
                await pair.both("pause", lambda driver, job_id=job_id: driver.pause(job_id))
            await jobs.compare()
            for job_id in ids:
                await pair.both("resume", lambda driver, job_id=job_id: driver.resume(job_id))
        case "replaced":
            items = [_loose(jobs.item(row, new_job_id(), otherwise="replace")) for row in jobs.rows]
            jobs.others += [item.job_id for item in items]
            await pair.both("push", lambda driver: driver.push(items))
        case "expired":
            jobs.clock.advance(LONG)
            await jobs.exchange("first worker")
        case "cleaned up" if jobs.can(Capability.CLEANUP):
            await pair.both(
                end, lambda driver: driver.cleanup_step(JobStatus.PENDING, JobCleanup.remove(), max_jobs=999)
            )
        case _:
            pass


def _loose(item: NewJob) -> NewJob:
    """The same under a new id, without what holds jobs together."""
    return NewJob(
        *(new_job_id(), b"replacing", item.due),
        **{name: getattr(item, name) for name in ("keep_for", "unique", "expires", "priority", "lane")},
    )
