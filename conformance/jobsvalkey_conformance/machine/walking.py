"""The steps of many jobs at once: each is one call for all that take it now, on the driver and on the twin."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import cast

from jobsvalkey.contract import (
    Capability,
    Exchanged,
    JobCleanup,
    JobID,
    JobStatus,
    LaneLimit,
    NewJob,
    Pushed,
    StoreOutcome,
    WorkerID,
)
from jobsvalkey_conformance.harness import AnyDriver
from jobsvalkey_conformance.machine.kinds import HOLDERS, STEADY
from jobsvalkey_conformance.machine.pair import Pair, PairedClaim, PairedExchange, PairedReport, PairedSettlement
from jobsvalkey_conformance.machine.walks import FAR, FLOWS, HOUR, LIFE, LIMITS, Flow, Walk
from jobsvalkey_memory import ManualClock

MINUTE = timedelta(minutes=1)
LEVEL = HOUR
"""How long each of the steps takes."""
AGE = timedelta(minutes=80)
"""How long an ended job is kept: it is there for the next step, and is gone after that one."""
WINDOW = timedelta(minutes=20)
"""How long an id is remembered."""
MOST = 250
"""How many jobs a call takes at most."""
ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


class Walking:
    """All the jobs in one queue. Level by level each takes the next step of its sequence."""

    def __init__(self, pair: Pair, clock: ManualClock, walks: Sequence[Walk]) -> None:
        self.pair = pair
        self.clock = clock
        self.walks = walks
        self.flow: Flow = Flow()
        self.ids: list[JobID] = []
        """Of all jobs that there ever were."""
        self.level: int = -1
        """Which of their steps the jobs take."""
        self.what: str = ""
        """The call under way."""
        self.beginning: datetime = clock.now()
        self._by_id = {walk.job_id: walk for walk in walks}
        self._sequences: dict[WorkerID, int] = {}

    def can(self, *capabilities: Capability) -> bool:
        """Whether the driver has all of these."""
        return self.pair.states(*capabilities)

    def at(self, *names: str) -> list[Walk]:
        """The jobs whose step of this level has one of these names."""
        return [walk for walk in self.walks if (kind := walk.kind(self.level)) and kind.name in names]

    # -- calls

    async def both(
        self, what: str, call: Callable[[AnyDriver], Awaitable[object]], *, repeatable: bool = True
    ) -> object:
        """Ask both the same."""
        self.what = what
        return await self.pair.both(what, call, repeatable=repeatable)

    async def each(self, what: str, job_ids: Sequence[JobID]) -> None:
        """Do the same with each of some jobs."""
        for job_id in job_ids:
            await self.both(f"{what}({job_id})", lambda driver, of=job_id: getattr(driver, what)(of))

    async def each_at(self, what: str, *names: str) -> None:
        """Do the same with each of the jobs whose step has one of these names, or that of the call."""
        await self.each(what, [walk.job_id for walk in self.at(*names or (what,))])

    async def exchange(
        self,
        worker: WorkerID,
        settlements: Sequence[PairedSettlement] = (),
        limit: int = 0,
        reports: Sequence[PairedReport] = (),
    ) -> list[PairedClaim]:
        """Make the next exchange of a worker; its claims."""
        sequence = self._sequences[worker] = self._sequences.get(worker, 0) + 1
        self.what, before = f"exchange of {worker}", len(self.pair.claims)
        done = await self.pair.exchange(self.what, PairedExchange(worker, sequence, settlements, limit, reports))
        assert isinstance(done, Exchanged), done
        return self.pair.claims[before:]

    async def recover(self) -> None:
        """Recover what dead workers held."""
        await self.both("recover()", lambda driver: driver.recover(), repeatable=False)

    async def compare(self) -> None:
        """Compare all that is shown, and what lies in the store."""
        self.what = "inspection"
        await self.pair.compare(self.ids, (), singly=False)

    # -- lives

    async def open(self) -> None:
        """Push the jobs that all refer to, and then all in their first life."""
        await self.limit(LIMITS)
        await self._begin()

    async def _begin(self) -> None:
        if self.can(*FLOWS):
            self.flow = Flow()
            root = NewJob(self.flow.root, b"root", keep_for=FAR)
            await self._push([root, NewJob(self.flow.callback, b"callback", batch=self.flow.callback)])
            await self._finish_first()
        await self.push([(walk, walk.life) for walk in self.walks])

    async def push(self, pushed: Sequence[tuple[Walk, LIFE]]) -> None:
        """Push jobs with these lives. What they wait for happens at once."""
        if self.can(*FLOWS):
            self.flow.gate = Flow().gate
            priority = 100 if self.can(Capability.LANES) else 0
            await self._push([NewJob(self.flow.gate, b"gate", self.beginning - HOUR, keep_for=HOUR, priority=priority)])
        items = [item for walk, life in pushed for item in walk.item(life, self._expiry_of(walk), self.flow)]
        await self._push(items)
        if self.can(*FLOWS):
            await self.each("cancel", [item.job_id for item in items if item.request == b"member"])
            await self.each("close_batch", [item.job_id for item in items if item.batch == item.job_id])
            await self._finish_first()

    async def _push(self, items: Sequence[NewJob]) -> None:
        # A child, or the member of a batch, comes with the job that it belongs to.
        firsts = [number for number, item in enumerate(items) if item.request not in (b"child", b"member")]
        bounds = [*firsts[::MOST], len(items)]
        for first, last in pairwise(bounds):
            chunk = items[first:last]
            self.ids += [item.job_id for item in chunk if item.job_id not in self._by_id or self.level < 0]
            pushed = await self.both("push", lambda driver, chunk=chunk: driver.push(chunk))
            refused = [each.reason for each in cast(list[Pushed], pushed) if each.outcome is StoreOutcome.REFUSED]
            assert not refused, f"a push is refused: {refused[0]}"

    async def _finish_first(self) -> None:
        await self.both("open_worker", lambda driver: driver.open_worker(STEADY, FAR))
        for claim in await self.exchange(STEADY, limit=1):
            await self.exchange(STEADY, [PairedSettlement("return", claim)])

    def _expiry_of(self, walk: Walk) -> datetime:
        """When a job expires that is pushed now: at the next of its steps that is its expiry."""
        levels = range(self.level + 1, len(walk.sequence))
        level = next((level for level in levels if walk.sequence[level].name == "expiry"), 999)
        return self.beginning + level * LEVEL + MINUTE

    async def limit(self, limits: dict[str, LaneLimit]) -> None:
        """Give the lanes these limits, or none."""
        if self.can(Capability.LANES):
            for lane in LIMITS:
                limit = limits.get(lane)
                await self.both("set_lane_limit", lambda driver, of=lane, to=limit: driver.set_lane_limit(of, to))

    # -- one step of all of them

    async def take_a_step(self) -> None:
        """Let each job take the step of the next level."""
        self.level += 1
        began = self.clock.now()
        await self._wait()
        self.clock.advance(MINUTE)
        for worker in (STEADY, *dict.fromkeys(HOLDERS.values())):
            await self.both("open_worker", lambda driver, of=worker: driver.open_worker(of, FAR))
        for _ in range(1 + len(self.at("expiry")) // 100):
            await self.exchange(STEADY)
        claims = await self.claim()
        await self.report(claims)
        await self.each_at("abort", *{each.name for walk in self.walks for each in walk.sequence if each.is_aborted})
        if any(walk.kind(self.level) != self.walks[0].kind(self.level) for walk in self.walks):
            await self.compare()  # not of the past, which is the same for all
        is_odd = self.level % 2 == 1
        if is_odd:  # as it may be meanwhile
            await self.limit({})
            await self._pause_queue(is_paused=True)
        await self._end(claims)
        if is_odd:
            await self._pause_queue(is_paused=False)
            await self.limit(LIMITS)
        await self._ended(began)
        await self.each_at("resume", "resume", "pause, resume")
        self.clock.advance(began + LEVEL - self.clock.now())
        await self.recover()
        await self.exchange(STEADY)
        # Some may be there after all: what was rerun or replaced has not expired.
        other = self.at("push of the other life")
        absent = [walk for walk in [*self.at("push alike"), *other] if await self.pair.twin.status(walk.job_id) is None]
        for walk in other:
            walk.current = 1 - walk.current
        await self.push([(walk, walk.life) for walk in absent])
        await self.compare()
        self.pair.claims.clear()

    async def _wait(self) -> None:
        await self.each_at("cancel")
        await self.each_at("abort")
        await self.each_at("remove")
        await self.each_at("pause", "pause", "pause, resume")
        replacing = list[NewJob]()
        for walk in self.at("replace"):
            item = walk.replacement(walk.lives[1 - walk.current], self.beginning + self.level * LEVEL + LEVEL / 2)
            if item is not None:
                replacing.append(item)
        await self._push(replacing)

    async def claim(self) -> dict[WorkerID, list[PairedClaim]]:
        """Let each job that is due be claimed by the worker that is to have it."""
        claims: dict[WorkerID, list[PairedClaim]] = {}
        while (run := self._next())[1]:
            worker, number = run
            more = await self.exchange(worker, limit=number)
            assert more, f"{worker} should claim {number}"
            claims.setdefault(worker, []).extend(more)
        return claims

    def _next(self) -> tuple[WorkerID, int]:
        """Say who is to claim next, and how many: the next ones in the order of claims that the same one is to have."""
        worker, number = "", 0
        for job_id in self._in_turn():
            walk = self._by_id.get(job_id)
            kind = walk.kind(self.level) if walk else None
            holder = kind.holder if kind else STEADY
            if number and (holder != worker or number == MOST):
                break
            worker, number = holder, number + 1
        return worker, number

    def _in_turn(self) -> Iterator[JobID]:
        state, now = self.pair.twin.state, self.clock.now()

        def may_run(job_id: JobID) -> bool:
            expires = state.jobs[job_id].expires
            return expires is None or expires > now

        return state.lanes.in_turn(state.lines[JobStatus.PENDING], now, may_run)

    async def report(self, claims: dict[WorkerID, list[PairedClaim]]) -> None:
        """Report of the claimed jobs that do so."""
        for worker, held in claims.items():
            mine = [(claim, self._by_id[claim.job_id]) for claim in held if claim.job_id in self._by_id]
            reports = [
                PairedReport(("both", "state", "progress")[walk.number % 3], claim, b"so far")
                for claim, walk in mine
                if "reports" in walk.life
            ]
            if reports:
                await self.exchange(worker, reports=reports)

    async def _end(self, claims: dict[WorkerID, list[PairedClaim]]) -> None:
        settlements: list[PairedSettlement] = []
        for claim in claims.get(STEADY, ()):
            walk = self._by_id.get(claim.job_id)
            kind = walk.kind(self.level) if walk else None
            name = (kind.settlement if kind else None) or ("release" if walk else "return")
            settlements.append(PairedSettlement(name, claim, b" at step %d" % (self.level + 1)))
        await self.exchange(STEADY, settlements)
        await self.both("close_worker", lambda driver: driver.close_worker("closing"))
        if "orphaning" in claims:
            await self._die("orphaning")
            await self._clean_up(JobStatus.PROCESSING, JobCleanup.RERUN, only_orphans=True)
            await self._too_late(claims["orphaning"])
        if "dying" in claims:
            await self._die("dying")
            await self.recover()
            await self._too_late(claims["dying"])
        if "losing" in claims:
            await self._clean_up(JobStatus.PROCESSING, JobCleanup.remove())
            await self._too_late(claims["losing"])

    async def _die(self, worker: WorkerID) -> None:
        self.what = f"death of {worker}"
        await self.pair.renew(worker, MINUTE)
        self.clock.advance(MINUTE)

    async def _too_late(self, claims: Sequence[PairedClaim]) -> None:
        await self.exchange(claims[0].worker, [PairedSettlement("return", claim) for claim in claims[::7]])

    async def _clean_up(
        self, status: JobStatus, cleanup: JobCleanup, *, only_orphans: bool = False, as_of: datetime | None = None
    ) -> None:
        await self.both(
            f"cleanup_step({status}, {cleanup.action})",
            lambda driver: driver.cleanup_step(status, cleanup, max_jobs=999, only_orphans=only_orphans, as_of=as_of),
        )

    async def _ended(self, began: datetime) -> None:
        await self.each_at("rerun")
        if self.at("cleanup that reruns"):
            for status in ENDED:
                await self._clean_up(status, JobCleanup.RERUN, as_of=began)

    async def _pause_queue(self, *, is_paused: bool) -> None:
        if self.can(Capability.PAUSE_QUEUE):
            name = "pause_queue" if is_paused else "resume_queue"
            await self.both(name, lambda driver: getattr(driver, name)())

    # -- their ends

    async def finish(self) -> None:
        """Let all run to their ends, and those that wait for them."""
        self.level += 1
        await self.each("resume", [walk.job_id for walk in self.walks if walk.sequence[-1].after == "paused"])
        await self.both("open_worker", lambda driver: driver.open_worker(STEADY, FAR))
        while claims := (await self.claim()).get(STEADY):
            await self.exchange(STEADY, [PairedSettlement("return", claim) for claim in claims])
        await self.compare()

    async def forget(self) -> None:
        """Remove all, and wait until nothing is remembered: then nothing may be left."""
        await self._trim()
        if self.can(Capability.CLEANUP):
            for status in JobStatus:
                await self._clean_up(status, JobCleanup.remove())
        self.clock.advance(2 * LEVEL)
        await self.recover()
        await self.exchange(STEADY)
        await self.compare()

    async def _trim(self) -> None:
        """Let one more job end in each way: what is beyond its retention is trimmed then."""
        await self._push([NewJob(Flow().gate, b"last") for _ in range(3)])
        claims = await self.exchange(STEADY, limit=3)
        kinds = ("return", "fail", "cancel" if self.can(Capability.ABORT) else "fail")
        await self.exchange(STEADY, [PairedSettlement(kind, claim) for claim, kind in zip(claims, kinds, strict=True)])

    async def live_again(self) -> None:
        """Live once more, in the other life."""
        for walk in self.walks:
            walk.current = 1 - walk.current
        await self._begin()
        self.clock.advance(MINUTE)
        claims = await self.claim()
        await self.compare()
        await self.exchange(STEADY, [PairedSettlement("return", claim) for claim in claims.get(STEADY, ())])
        await self.finish()
