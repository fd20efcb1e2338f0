"""Jobs with any two features at once: what each of them is pushed with, and what happens to it before its end."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from jobsvalkey.contract import Capability, Exchanged, JobID, LaneLimit, NewJob, Unique, WorkerID, new_job_id
from jobsvalkey_conformance.machine.pair import Pair, PairedClaim, PairedExchange, PairedReport, PairedSettlement
from jobsvalkey_memory import ManualClock

FEATURES = (
    *("remember", "delayed", "failed before", "rerun before", "recovered before"),
    *("keep_for", "unique", "expires", "priority", "lane", "limit", "rate", "progress", "state"),
    *("children", "parents", "run", "member", "callback", "abort", "pause"),
)
ROWS = 32
"""How many jobs have several features: a power of two above the number of these."""
SHORT, LONG = timedelta(minutes=1), timedelta(hours=2)
FOR_EVER = LONG * 99
FEW = 20
"""How many jobs a worker claims at once, so that each line has several turns."""
SPANS: tuple[Literal["end", "start"] | timedelta, ...] = ("end", "start", timedelta(minutes=20))
LIMITS = {
    "limited": LaneLimit(99),
    "rated": LaneLimit(rate=(999, SHORT)),
    "limitedrated": LaneLimit(99, (999, SHORT)),
}


class Row:
    """One job. Of the first `ROWS` a quarter has each two of the features; each of the others has one."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.job_id: JobID = new_job_id()
        names = enumerate(FEATURES, start=1)
        # Of two different numbers, each combination of these parities is that of a quarter of all numbers.
        several = {name for bits, name in names if (bits & number).bit_count() % 2}
        self.features: set[str] = several if number < ROWS else {FEATURES[number - ROWS]}


class Rows:
    """All these jobs in one queue, on the driver and on the twin."""

    def __init__(self, pair: Pair, clock: ManualClock) -> None:
        self.pair = pair
        self.clock = clock
        self.rows: list[Row] = [Row(number) for number in range(ROWS + len(FEATURES))]
        self.others: list[JobID] = []
        self.sequences: dict[WorkerID, int] = {}
        self.callback: JobID = new_job_id()
        self.root_claims: list[PairedClaim] = []
        """The claim of the parent that they have in common, as long as it holds them."""

    def can(self, *capabilities: Capability) -> bool:
        """Whether the driver has all of these."""
        return self.pair.states(*capabilities)

    @property
    def ids(self) -> list[JobID]:
        """All of the jobs."""
        return [row.job_id for row in self.rows]

    def with_(self, feature: str, *needs: Capability) -> list[JobID]:
        """The jobs with a feature; none if the driver cannot do what it needs."""
        return [row.job_id for row in self.rows if feature in row.features] if self.can(*needs) else []

    def item(self, row: Row, root: JobID | None, *, later: int = 0, replaces: bool = False) -> NewJob:
        """Return what a row is pushed with: `later` is for names that are held otherwise than before."""
        values: dict[str, Any] = {}
        has = row.features.__contains__
        if self.can(Capability.RESULTS) and has("keep_for"):
            values["keep_for"] = LONG
        if self.can(Capability.UNIQUE) and has("unique"):
            span = SPANS[(row.number + later) % 3]
            values["unique"] = Unique(f"name {row.number}", span, "replace" if replaces else "skip")
        if self.can(Capability.EXPIRY) and has("expires"):
            values["expires"] = timedelta(hours=1)
        if self.can(Capability.LANES):
            limited = f"{'limited' if has('limit') else ''}{'rated' if has('rate') else ''}"
            values |= {"priority": 5 * has("priority"), "lane": limited or ("free" if has("lane") else None)}
        if root is not None:
            values["after"] = (root,) if has("parents") and not has("callback") else ()
            values["if_failed"] = "run" if has("run") else "cancel"
            values["batch"] = row.job_id if has("callback") else self.callback if has("member") else None
        due = timedelta(seconds=30) if has("delayed") else None
        job_id = new_job_id() if replaces else row.job_id
        return NewJob(job_id, ", ".join(sorted(row.features)).encode(), due, has("remember"), **values)

    # -- the life of the jobs

    async def begin(self, *, are_held: bool = False) -> None:
        """Push them: with a parent, which has ended or holds them, a batch that they are of, and children."""
        root, later = None, list[NewJob]()
        for lane, limit in LIMITS.items() if self.can(Capability.LANES) else ():
            await self.pair.both(f"limit of {lane}", lambda driver, of=lane, to=limit: driver.set_lane_limit(of, to))
        if self.can(Capability.FLOWS, Capability.RESULTS):
            root, self.callback = new_job_id(), new_job_id()
            callback = NewJob(self.callback, b"callback", batch=self.callback)
            await self.push("the parent", [NewJob(root, b"root", keep_for=FOR_EVER), callback])
            self.root_claims = await self.claims("worker of the parent", limit=999)
            if not are_held:
                await self.finish(self.root_claims)
            for number, parent in enumerate(self.with_("children")):
                if_failed = "run" if number % 2 else "cancel"
                later.append(NewJob(new_job_id(), b"child", after=(parent,), if_failed=if_failed))
        await self.push("all", [*(self.item(row, root) for row in self.rows), *later])
        if root is not None:
            await self.each("close_batch", self.with_("callback")[::2])  # the others wait
        self.clock.advance(SHORT)

    async def live(self) -> None:
        """Give them the past that they are to have, and let them wait again."""
        reruns = self.with_("rerun before", Capability.CLEANUP)
        first = await self.claims("first worker")
        await self.settle({claim: "keep" if claim.job_id in reruns else "release" for claim in first})
        await self.each("rerun", reruns)
        failed = self.with_("failed before")
        second = await self.claims("second worker")
        await self.report("progress", second)
        await self.report("state", second)
        await self.settle({claim: "retry later" if claim.job_id in failed else "release" for claim in second})
        self.clock.advance(SHORT)
        lost = self.with_("recovered before")
        third = await self.claims("third worker", SHORT)
        await self.settle({claim: "release" for claim in third if claim.job_id not in lost})
        self.clock.advance(SHORT)
        await self.pair.both("recover", lambda driver: driver.recover(), repeatable=False)
        paused = self.with_("pause", Capability.RESUME)
        await self.each("pause", paused)
        await self.each("resume", paused)

    async def run(self, worker: WorkerID) -> list[PairedClaim]:
        """Claim all, report of some, ask for the end of others, and report again."""
        claims = await self.claims(worker)
        await self.report("state", claims)
        await self.each("abort", self.with_("abort", Capability.ABORT))
        await self.report("progress", claims)
        await self.report("state", claims)
        return claims

    # -- steps

    async def push(self, what: str, items: Sequence[NewJob]) -> None:
        """Push jobs in one step."""
        mine = set(self.ids)
        self.others += [item.job_id for item in items if item.job_id not in mine]
        await self.pair.both(f"push of {what}", lambda driver: driver.push(items))

    async def each(self, what: str, job_ids: Sequence[JobID]) -> None:
        """Do the same with each of some jobs."""
        for job_id in job_ids:
            await self.pair.both(f"{what}({job_id})", lambda driver, of=job_id: getattr(driver, what)(of))

    async def claims(self, worker: WorkerID, hold_for: timedelta = FOR_EVER, limit: int = FEW) -> list[PairedClaim]:
        """Claim all that can be claimed, so many at once."""
        if worker not in self.sequences:
            await self.pair.both(f"open_worker({worker!r})", lambda driver: driver.open_worker(worker, hold_for))
        found = list[PairedClaim]()
        while not found or len(found) % limit == 0:
            before = len(self.pair.claims)
            await self.exchange(worker, limit=limit)
            if len(self.pair.claims) == before:
                break
            found += self.pair.claims[before:]
        return found

    async def report(self, kind: str, claims: Sequence[PairedClaim]) -> None:
        """Report of those that are to have a progress, or a state."""
        of = self.with_(kind, Capability.REPORTS)
        if reports := [PairedReport(kind, claim, b"so far") for claim in claims if claim.job_id in of]:
            await self.exchange(reports[0].claim.worker, reports=reports)

    async def settle(self, kinds: dict[PairedClaim, str]) -> None:
        """Settle claims of one worker."""
        if kinds:
            worker = next(iter(kinds)).worker
            await self.exchange(worker, [PairedSettlement(kind, claim) for claim, kind in kinds.items()])

    async def finish(self, claims: Sequence[PairedClaim]) -> None:
        """Let claims complete, with a result if there can be one."""
        await self.settle(dict.fromkeys(claims, "return" if self.can(Capability.RESULTS) else "finish"))

    async def exchange(
        self,
        worker: WorkerID,
        settlements: Sequence[PairedSettlement] = (),
        limit: int = 0,
        reports: Sequence[PairedReport] = (),
    ) -> None:
        """Make the next exchange of a worker, and send it again if it claims."""
        sequence = self.sequences[worker] = self.sequences.get(worker, 0) + 1
        asked = PairedExchange(worker, sequence, settlements, limit, reports)
        what = f"exchange {sequence} of {worker}"
        done = await self.pair.exchange(what, asked)
        assert isinstance(done, Exchanged)
        if done.claims:
            await self.pair.exchange(f"{what}, again", asked, repeat=True)

    async def compare(self) -> None:
        """Compare all that is shown, and what lies in the store."""
        await self.pair.compare(self.ids + self.others, (), singly=False)
