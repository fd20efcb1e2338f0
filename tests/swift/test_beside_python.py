"""Every recording beside Python workers, which come in between any two commands.

Nothing gets lost or stuck, and nothing runs twice but what was taken from a worker that seemed dead.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeAlias
from zlib import crc32

import pytest
from _pytest.mark.structures import ParameterSet
from valkey.asyncio import Valkey

from jobsvalkey import JobCleanup, JobID, JobStatus, RetentionPolicy, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import InconsistencyKind
from jobsvalkey_memory import ManualClock
from tests.support.servers import default_kind, found_kinds
from tests.swift.beside import ENDED_TWICE, GRACE, KEEP_ALL, KEEP_NONE, TORN, Shared
from tests.swift.peer import SwiftPeer
from tests.swift.recordings import VERSIONS, is_torn, recording, situations

Act: TypeAlias = Callable[[Shared, JobID | None], Awaitable[object]]
Cases: TypeAlias = Callable[[str, int], Sequence[tuple[str, bool]]]
KILLED = "a worker is killed in a handler; after its lock has run out another starts and runs the job"


async def nothing(shared: Shared, job_id: JobID | None) -> None:
    """Only Swift does anything."""


async def work(shared: Shared, job_id: JobID | None) -> None:
    await shared.work()


async def claim(shared: Shared, job_id: JobID | None) -> None:
    """And settle when Swift has done its commands."""
    await shared.claim()


async def recover(shared: Shared, job_id: JobID | None) -> None:
    await shared.driver.recover()


async def recover_twice(shared: Shared, job_id: JobID | None) -> None:
    await shared.recover()


async def cut_off(shared: Shared, job_id: JobID | None) -> None:
    """Swift's worker seems dead, and goes on when its job is back in the queue."""
    await shared.peer.let_locks_run_out()
    await shared.recover()


async def cut_off_and_claim(shared: Shared, job_id: JobID | None) -> None:
    """... when a Python worker runs its job."""
    await cut_off(shared, job_id)
    await shared.claim()


async def cut_off_and_work(shared: Shared, job_id: JobID | None) -> None:
    """... when a Python worker has run its job."""
    await cut_off(shared, job_id)
    await shared.work()


def _of_the_job(method: str) -> Act:
    async def act(shared: Shared, job_id: JobID | None) -> None:
        if job_id is not None:
            await getattr(shared.driver, method)(job_id)

    return act


async def clean(shared: Shared, job_id: JobID | None) -> None:
    await shared.driver.cleanup(processing_jobs=JobCleanup.RERUN, only_orphans=True)


TAKING: dict[str, Act] = {
    "recover twice": recover_twice,
    "cut off": cut_off,
    "cut off and claim": cut_off_and_claim,
    "cut off and work": cut_off_and_work,
    "clean": clean,
}
"""What may take a job from a Swift worker."""
ACTS: dict[str, Act] = {
    "nothing": nothing,
    "work": work,
    "claim": claim,
    "recover": recover,
    **TAKING,
    **{name: _of_the_job(name) for name in ("cancel", "pause", "resume", "rerun", "remove")},
}

CASES = [*((act, False) for act in ACTS), *((act, True) for act in ("nothing", "recover", "claim"))]
"""Each act, before Swift goes on; and some before its process dies."""
FEW_CASES = [("nothing", True), ("work", False), ("recover twice", False), ("cut off", False)]
"""For other servers than the first one, and other policies."""


def a_third(situation: str, at: int) -> list[tuple[str, bool]]:
    """Of the cases, another one at each place; a long run has them all."""
    return CASES[(crc32(situation.encode()) + at) % 3 :: 3]


def all_cases(_situation: str, _at: int) -> list[tuple[str, bool]]:
    return CASES


def few_cases(_situation: str, _at: int) -> list[tuple[str, bool]]:
    return FEW_CASES


def _runs() -> Iterator[ParameterSet]:
    """A server, a policy, and the cases for a situation and a place."""
    first, slow = default_kind(), pytest.mark.slow
    yield pytest.param(first, KEEP_ALL, a_third, id=f"{first.id}-retained")
    yield pytest.param(first, KEEP_ALL, all_cases, id=f"{first.id}-all-retained", marks=slow)
    for kind in found_kinds():
        for policy, name in ((KEEP_ALL, "retained"), (KEEP_NONE, "not retained")):
            if kind.id != first.id or policy is KEEP_NONE:
                by_day = kind.id == first.id
                yield pytest.param(kind, policy, few_cases, id=f"{kind.id}-{name}", marks=() if by_day else slow)


async def prepare(shared: Shared, version: str, situation: str) -> JobID | None:
    """What was there before the recording began."""
    name = "Fails" if situation.startswith("fail") else "Again" if "JobSleep" in situation else "Plain"
    if situation.startswith(("push", "a worker starts", "JobService")):
        return None
    job_id = await shared.push(name)
    if situation == "resume":
        assert await shared.driver.pause(job_id)
    elif "request is gone" in situation:
        await shared.peer.client.delete(f"{shared.peer.key}/{job_id}")
    elif situation == KILLED or situation.endswith("processing"):
        running = shared.peer.plays(version, "run one to its end; completed jobs are retained")
        while "LREM" not in str(running.steps[running.at]):
            await running.step()
        await shared.peer.let_locks_run_out()
    elif "failed" in situation and situation.startswith("cleanup"):
        await shared.peer.client.zrem(f"{shared.peer.key}.pending", str(job_id))
        await shared.peer.client.zadd(f"{shared.peer.key}.failed", {str(job_id): shared.peer.clock.now().timestamp()})
        if "3600 s" in situation:
            shared.peer.clock.advance(2 * GRACE * 1000)
    return job_id


def stops(version: str, situation: str) -> list[int]:
    """Where Python may come in between: at the beginning, and after each step that changes a job in a new way."""
    found, seen = [0], set[str]()
    for n, step in enumerate(recording(version, situation)):
        kind = re.sub(r"<(unix|ref)[^>]*>|{.*}", "", str(step))
        if step.writes and "<lock" not in kind and ".metadata.worker." not in kind and kind not in seen:
            found.append(n + 1)
        seen.add(kind)
    return found


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def one(shared: Shared, version: str, situation: str, at: int, act: str, *, dies: bool) -> list[str]:
    """Play it with Python coming in at one place; what is wrong at the end."""
    job_id = await prepare(shared, version, situation)
    names = {} if job_id is None or situation == KILLED else {"id1": job_id}
    play = shared.peer.plays(version, situation, **names)
    await play.until(at)
    await ACTS[act](shared, job_id)
    if not dies:
        await play.rest()
    await shared.to_the_end()
    torn = is_torn(recording(version, situation), at)
    taken = act in TAKING or situation == KILLED or "processing" in situation
    # The library deletes the request of a job that it cancels, or that sleeps, wherever its id lies by then.
    gone = any(words in situation for words in ("cancelled jobs are not retained", "JobSleep", "request is gone"))
    wrong: list[str] = []
    for finding in await shared.driver.validate():
        kind = finding.kind
        is_meant = (torn and (dies or kind in TORN)) or (taken and kind in ENDED_TWICE)
        if not is_meant and not (gone and kind is InconsistencyKind.MISSING_PAYLOAD):
            wrong.append(kind)
    counts = await shared.driver.counts()
    unended = (JobStatus.PENDING, JobStatus.PAUSED, JobStatus.PROCESSING)
    wrong += [f"{counts[each]} {each}" for each in unended if counts[each]]
    if job_id is not None:
        ran = shared.runs[job_id] + (str(job_id) in play.ended)
        meant = act in ("cancel", "remove") or any(word in situation for word in ("cancel", "remove", "gone"))
        if not ran and not meant and await shared.driver.status(job_id) is None and not (torn and dies):
            wrong.append("lost")
        if ran > 1 and not (taken or act == "rerun" or "rerun" in situation):
            wrong.append("doubled")
    return wrong


@pytest.mark.parametrize(("server", "policy", "cases"), list(_runs()), indirect=["server"])
@pytest.mark.parametrize(("version", "situation"), [(each, name) for each in VERSIONS for name in situations(each)])
async def test_beside(
    server_client: Valkey,
    queue_key: str,
    clock: ManualClock,
    version: str,
    situation: str,
    policy: RetentionPolicy,
    cases: Cases,
) -> None:
    wrong: list[str] = []
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=policy, unowned_grace=GRACE)
    async with ValkeyJobQueue(server_client, configuration, clock=clock) as driver:
        shared = Shared(SwiftPeer(server_client, queue_key, clock), driver)
        for at in stops(version, situation):
            for act, dies in cases(situation, at):
                found = await one(shared, version, situation, at, act, dies=dies)
                wrong += [f"{act}{' and dies' if dies else ''} at {at}: {each}" for each in found]
                await shared.forget()
    assert not wrong, "\n".join([f"{len(wrong)} findings", *wrong])
