"""Steps that say no, and leave everything as it is."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from jobsvalkey.contract import (
    FINISHED,
    AbortOutcome,
    Cancel,
    Capability,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    NewJob,
    Release,
    Report,
    Retry,
    Settlement,
    SettleOutcome,
    StoredJob,
    StoreOutcome,
    Unique,
    new_job_id,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.changes import CHANGEABLE, CHANGES
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver, Damage, Hook

LOST, RIVAL, STARTED, GONE = "lost", "rival", "started", "gone"
"""Jobs that have failed without a request, whose name another has, that have freed their name, that are absent."""
STATES: Mapping[str, JobStatus | None] = {
    **{str(status): status for status in JobStatus},
    LOST: JobStatus.FAILED,
    RIVAL: JobStatus.COMPLETED,
    STARTED: JobStatus.PROCESSING,
    GONE: None,
}
HELD = ("pending", "paused", "waiting", "processing", RIVAL)
"""The names that are held; each job has one of its own."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A job of each kind, all of them members of one batch."""

    kit: SuiteContext
    driver: AnyDriver
    worker: Worker
    callback: JobID
    other: JobID
    """The job that has the name of the rival."""
    jobs: Mapping[str, JobID]
    tokens: Mapping[str, bytes]
    """Those of the claims that were settled."""

    async def shown(self) -> Sequence[StoredJob | None]:
        """The jobs as they are."""
        return [await self.driver.get(job_id) for job_id in (self.callback, self.other, *self.jobs.values())]

    async def all_else(self) -> object:
        """The claims that are held, a key, and what the store has."""
        held = (await self.driver.renew(self.worker.id, self.kit.unit * 99)).tokens
        key = self.has(Capability.METADATA) and await self.driver.get_metadata("key")
        can_observe = Hook.OBSERVE in self.kit.harness.hooks
        return held, key, can_observe and await self.kit.harness.observe(self.kit.configuration)

    def has(self, capability: Capability) -> bool:
        """Whether the driver does."""
        return capability in self.kit.capabilities


async def scene(kit: SuiteContext) -> Scene:
    """Bring the jobs into their states."""
    driver = await kit.driver(retention_policy=RETAIN_ALL)
    worker, callback, later = await kit.worker(driver), new_job_id(), kit.unit * 50
    jobs = {name: new_job_id() for name in STATES if name != LOST or Hook.DAMAGE in kit.harness.hooks}
    has_lanes = Capability.LANES in kit.capabilities

    def job(name: str, job_id: JobID) -> NewJob:
        return kit.job(
            name.encode(),
            job_id=job_id,
            due=later if name in ("pending", "paused", "waiting", "cancelled") else None,
            remember=name == GONE,
            keep_for=later,
            expires=later * 2,
            unique=Unique(name, "start" if name == STARTED else "end"),
            after=[jobs["pending"]] if name == "waiting" else (),
            batch=callback,
            lane=name if has_lanes else None,
            priority=1 if has_lanes else 0,
        )

    pushed = [kit.job(job_id=callback, batch=callback), *(job(name, job_id) for name, job_id in jobs.items())]
    assert outcomes(await driver.push(pushed)) == [STORED] * len(pushed)
    assert await driver.pause(jobs["paused"])
    assert await driver.cancel(jobs["cancelled"])
    claims = {claim.job_id: claim.token for claim in await worker.claim(99)}
    tokens = {name: claims[job_id] for name, job_id in jobs.items() if job_id in claims}
    if Capability.REPORTS in kit.capabilities:
        reports = [Report(jobs[name], token, b"half", b"state") for name, token in tokens.items()]
        await worker.exchange(reports=reports)
    if LOST in jobs:
        await kit.damage(jobs[LOST], Damage.LOST_REQUEST)
    settled = {name: token for name, token in tokens.items() if STATES[name] is not JobStatus.PROCESSING}
    assert set(
        await worker.settle(
            *(
                Fail(jobs[name], token, b"error", keep=name == LOST)
                if STATES[name] is JobStatus.FAILED
                else Finish(jobs[name], token, b"result")
                for name, token in settled.items()
            )
        )
    ) == {SettleOutcome.SETTLED}
    assert await driver.remove(jobs[GONE])
    other = await kit.push(driver, b"other", due=later, unique=Unique(RIVAL))
    if Capability.METADATA in kit.capabilities:
        await driver.set_metadata("key", b"1")
    return Scene(kit, driver, worker, callback, other, jobs, settled)


async def changes(here: Scene) -> None:
    """The steps that can be done to one job, in the states in which they cannot."""
    for name, capability in CHANGES.items():
        for kind, job_id in here.jobs.items() if here.has(capability) else ():
            if STATES[kind] not in CHANGEABLE[name]:
                assert await getattr(here.driver, name)(job_id) is False, (name, kind)


async def reruns(here: Scene) -> None:
    """A job without a request, and one whose name another job holds."""
    for kind in (LOST, RIVAL):
        assert kind not in here.jobs or await here.driver.rerun(here.jobs[kind]) is False, kind


async def cleanups(here: Scene) -> None:
    """Cleanups that find none that they may rerun."""
    for status in FINISHED:
        spared = here.jobs[str(status)]
        assert await here.driver.cleanup_step(status, JobCleanup.RERUN, max_jobs=99, except_for=spared) == 0, status
    running = JobStatus.PROCESSING
    for cleanup in (JobCleanup.RERUN, JobCleanup.remove()):
        assert await here.driver.cleanup_step(running, cleanup, max_jobs=99, only_orphans=True) == 0, cleanup


async def aborts(here: Scene) -> None:
    """Aborts of what has ended."""
    for kind, job_id in here.jobs.items():
        if STATES[kind] is None or STATES[kind] in FINISHED:
            assert await here.driver.abort(job_id) is AbortOutcome.NOTHING, kind


async def closed_batches(here: Scene) -> None:
    """The batches of jobs that are none of a batch."""
    for kind, job_id in here.jobs.items():
        assert await here.driver.close_batch(job_id) is False, kind


async def known_ids(here: Scene) -> None:
    """Pushes of an id that is there or remembered, with much that the job does not have."""
    given = [
        here.kit.job(b"new", job_id=job_id, unique=Unique("new"), after=[here.other], batch=here.callback)
        for job_id in here.jobs.values()
    ]
    replacing = Unique(RIVAL, otherwise="replace")
    given += [here.kit.job(b"new", job_id=job_id, unique=replacing) for job_id in here.jobs.values()]
    assert outcomes(await here.driver.push(given)) == [DUPLICATE] * len(given)


async def held_names(here: Scene) -> None:
    """Pushes of a name that is held, by jobs that do not replace, or are not replaced."""
    given = [here.kit.job(unique=Unique(name, otherwise="replace"), batch=here.callback) for name in HELD]
    given += [here.kit.job(unique=Unique(name, otherwise="skip" if name == RIVAL else "replace")) for name in HELD]
    assert outcomes(await here.driver.push(given)) == [DUPLICATE] * len(given)


async def refused_pushes(here: Scene) -> None:
    """Pushes of which one item is not possible."""
    wrong = here.kit.job(after=[new_job_id()])
    for job in (
        here.kit.job(b"new", unique=Unique("new"), after=[here.jobs["pending"]], batch=here.callback),
        here.kit.job(b"new", unique=Unique(RIVAL, otherwise="replace")),
    ):
        assert outcomes(await here.driver.push([job, wrong])) == [StoreOutcome.REFUSED] * 2


async def conditional_pushes(here: Scene) -> None:
    """Those whose key is not as expected, and those that are not possible."""
    job = here.kit.job(b"new", unique=Unique(RIVAL, otherwise="replace"))
    assert (await here.driver.push_if(job, "key", b"2", b"3")).outcome is StoreOutcome.UNEXPECTED
    wrong = here.kit.job(unique=Unique("new"), after=[new_job_id()])
    before = b"1" if here.has(Capability.METADATA) else None
    assert (await here.driver.push_if(wrong, "key", before, b"3")).outcome is StoreOutcome.REFUSED


def late(here: Scene) -> list[tuple[JobID, bytes]]:
    """Jobs with tokens of claims that are settled: of their own, and of others."""
    return [(here.jobs[job], token) for own, token in here.tokens.items() for job in (own, "pending", "processing")]


async def settlements(here: Scene) -> None:
    """Settlements of what is not claimed, or not by this token."""
    given: list[Settlement] = []
    for job_id, token in late(here):
        given += [Finish(job_id, token, b"late"), Fail(job_id, token, b"late", keep=True), Release(job_id, token)]
        given += [Retry(job_id, token, b"late", error=b"late")]
        given += [Cancel(job_id, token, b"late")] if here.has(Capability.ABORT) else []
    assert await here.worker.settle(*given) == [SettleOutcome.CLAIM_LOST] * len(given)


async def reports(here: Scene) -> None:
    """Reports on what is not claimed, or not by this token."""
    given = [Report(job_id, token, b"late", b"late") for job_id, token in late(here)]
    assert (await here.worker.exchange(reports=given)).reported == [SettleOutcome.CLAIM_LOST] * len(given)


NOES: Mapping[str, tuple[tuple[Capability, ...], Callable[[Scene], Awaitable[None]]]] = {
    "changes": ((), changes),
    "rerun": ((), reruns),
    "cleanup": ((), cleanups),
    "abort": ((Capability.ABORT,), aborts),
    "close_batch": ((), closed_batches),
    "known id": ((), known_ids),
    "held name": ((), held_names),
    "refused push": ((), refused_pushes),
    "push_if": ((Capability.SCHEDULING,), conditional_pushes),
    "settlement": ((), settlements),
    "report": ((Capability.REPORTS,), reports),
}
"""Steps that say no, and what each needs."""
NEEDED = (
    *(Capability.INSPECTION, Capability.UNIQUE, Capability.FLOWS, Capability.RESULTS, Capability.EXPIRY),
    *(Capability.CLEANUP, Capability.CANCEL, Capability.RESUME),
)


class RefusedTests(Suite):
    """A step that says no has changed nothing: not the job, nor its name, nor those that it belongs together with."""

    @conformance_test(*NEEDED)
    async def test_refused_nothing_changes(self, kit: SuiteContext) -> None:
        """A step that answers no leaves jobs, claims, names, batches, waits and keys as they are."""
        here = await scene(kit)
        shown, all_else = await here.shown(), await here.all_else()
        for no, (needed, steps) in NOES.items():
            if kit.capabilities.issuperset(needed):
                await steps(here)
                assert await here.shown() == shown, f"{no}: the answer was no, and a job has changed"
        assert await here.all_else() == all_else
        names = [*STATES, "new"]
        answers = outcomes(await here.driver.push([kit.job(unique=Unique(name)) for name in names]))
        expected = {name: DUPLICATE if name in HELD else STORED for name in names}
        assert dict(zip(names, answers, strict=True)) == expected, "names are not held as before"
