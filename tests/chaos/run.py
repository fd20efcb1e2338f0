"""One run of one kind of fault."""

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from jobsvalkey import JobStatus, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.valkey.clients import client_from_url
from tests.chaos.checks import doubled, orphans, violations
from tests.chaos.crew import Crew, CrewProcess, Member
from tests.chaos.kind import Kind, Scene
from tests.chaos.stages import Stage
from tests.chaos.witness import Clock, history_of
from tests.support.retention import KEEP_ALL
from tests.support.waiting import PATIENCE, until

PUSHERS, WORKERS = 2, 3
BEFORE = 60
"""So many jobs have run before the fault."""


@dataclass(frozen=True)
class Outcome:
    """The result of one run."""

    kind: str
    seed: int
    servers: str
    acknowledged: int
    """Jobs whose push was acknowledged."""
    lost: int
    """Those of them that are nowhere at the end."""
    doubled: int
    """Jobs that ran or were settled more often than the contract allows."""
    again: int
    """Jobs whose handler came to its end more than once."""
    stuck: int
    """Jobs that are there, and have not been completed."""
    recovery: float
    """Seconds after which all processes went on, and the jobs of those that were killed ran again."""
    wrong: list[str] = field(default_factory=list[str])
    """What the run shows that must not be."""


async def run(kind: Kind, seed: int, process: CrewProcess) -> Outcome:
    """Put a queue under load, let it happen, and see what has become of all jobs."""
    chance = random.Random(f"{kind.id} {seed}")
    queue_key = f"{{{kind.id}-{seed}}}"
    with tempfile.TemporaryDirectory(prefix="jobsvalkey-") as folder:
        async with kind.stage() as stage:
            crew = Crew(stage.process or process, Path(folder), stage.url, queue_key, seed, durable=kind.durable)
            try:
                return await _play(kind, seed, Scene(stage, crew, chance, queue_key))
            finally:
                crew.close()


async def _play(kind: Kind, seed: int, scene: Scene) -> Outcome:
    crew = scene.crew
    clock = Clock(time.monotonic_ns(), datetime.now(UTC))
    for role, number in (("pusher", PUSHERS), ("worker", WORKERS)):
        for _ in range(number):
            crew.start(role)
    await _until(crew, lambda: len(crew.ran) >= BEFORE)
    await scene.pause(0, 0.5)
    await kind.happen(scene)
    over = time.monotonic_ns()
    kept_from = over if kind.forgets else 0
    await _until(crew, lambda: all(member.answered_at > over for member in (*crew.pushers, *crew.workers)))
    recovery = max(member.answered_at for member in (*crew.pushers, *crew.workers)) - over
    await _end(crew, crew.pushers)
    async with _looking(scene.stage, scene.queue_key) as queue:
        with suppress(TimeoutError):  # what is left is counted as stuck
            await _until(crew, partial(_is_done, queue))
        await _end(crew, crew.workers)
        counts = await queue.counts()
        completed = {job.job_id async for job in queue.jobs(JobStatus.COMPLETED)}
        wrong = [str(found) for found in await queue.validate()]
    history = history_of(crew, clock, time.monotonic_ns())
    twice = {} if kind.forgets else doubled(history, crew)
    recovery = max(recovery, *orphans(history, crew), 0)
    lost = [job_id for job_id, at in crew.acknowledged.items() if job_id not in completed and at > kept_from]
    if not kind.is_control:
        wrong += [f"lost: {job_id}" for job_id in lost]
    if not kind.is_control and not kind.forgets:
        wrong += [f"doubled: {job_id}: {why}" for job_id, why in twice.items()]
        wrong += violations(history)
    stuck = sum(counts.values()) - counts[JobStatus.COMPLETED]
    if stuck:
        wrong.append(f"stuck: {counts}")
    return Outcome(
        kind=kind.id,
        seed=seed,
        servers=scene.stage.kind,
        acknowledged=len(crew.acknowledged),
        lost=len(lost),
        doubled=len(twice),
        again=sum(times > 1 for times in Counter(crew.ran).values()),
        stuck=stuck,
        recovery=round(recovery / 1e9, 3),
        wrong=wrong,
    )


async def _until(crew: Crew, condition: Any) -> None:
    """Wait for something that the crew is to note."""

    async def is_met() -> bool:
        crew.look()
        met = condition()
        return bool(await met if asyncio.iscoroutine(met) else met)

    try:
        await until(is_met, 2 * PATIENCE)
    except TimeoutError as error:
        for member in crew.members:
            error.add_note(f"{member.role.name}: {len(member.entries)} entries, {member.errors}")
        raise


async def _end(crew: Crew, members: list[Member]) -> None:
    crew.stop(members)
    await _until(crew, lambda: all(member.has_left for member in members))


async def _is_done(queue: ValkeyJobQueue) -> bool:
    counts = await queue.counts()
    return counts[JobStatus.PENDING] + counts[JobStatus.PROCESSING] == 0


@asynccontextmanager
async def _looking(stage: Stage, queue_key: str) -> AsyncGenerator[ValkeyJobQueue]:
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL)
    async with ValkeyJobQueue(client_from_url(stage.direct), configuration) as queue:
        yield queue
