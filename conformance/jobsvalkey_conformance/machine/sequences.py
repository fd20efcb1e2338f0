"""All short sequences of what can happen to a job, each on a job of its own: driver and twin side by side."""

import re
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from os import environ
from typing import ClassVar, Literal

import pytest
from msgspec.structs import asdict

from jobsvalkey.contract import Capability, JobID, JobStatus, RetentionPolicy, StoredJob, retain_for
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext
from jobsvalkey_conformance.machine.kinds import KINDS, Kind, sequences
from jobsvalkey_conformance.machine.pair import Pair
from jobsvalkey_conformance.machine.walking import AGE, WINDOW, Walking
from jobsvalkey_conformance.machine.walks import LIVES, NEEDS, Walk
from jobsvalkey_conformance.settings import SEQUENCES

KEPT = RetentionPolicy(completed_jobs=retain_for(AGE), failed_jobs=retain_for(AGE), cancelled_jobs=retain_for(AGE))
AT_ONCE = 400
"""How many jobs there are in a queue."""
SHOWN = 3
"""How many jobs a failure names."""
JOB = re.compile(r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}")


@dataclass(frozen=True, slots=True)
class Case:
    """Two lives of a job, what may happen to it when it has ended, and what each job takes before its sequence."""

    first: str
    other: str
    ended: Literal["cleanup", "lapse", "nothing is kept"]
    past: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.first}-{self.other}-{self.ended}"

    def walks(self, capabilities: Collection[Capability], length: int) -> Iterator[Walk]:
        """Yield a job for each sequence of so many steps that the driver can take."""
        can = frozenset(capabilities).issuperset
        first, other = (
            frozenset(each for each in LIVES[life] if can(NEEDS.get(each, ()))) for life in (self.first, self.other)
        )

        def is_possible(kind: Kind) -> bool:
            is_of_lives = {
                "replace": any(each.startswith("name") for each in first | other),
                "expiry": "expiry" in first | other,
                "lapse": self.ended == "lapse",
                "cleanup that reruns": self.ended == "cleanup",
            }
            return (kind.needs is None or can((kind.needs,))) and is_of_lives.get(kind.name, True)

        past = tuple(kind for name in self.past for kind in KINDS if kind.name == name and is_possible(kind))
        past = past if len(past) == len(self.past) else ()
        found = sequences(length, "waits", is_possible, is_kept=self.ended != "nothing is kept")
        return (Walk(number, (*past, *steps), (first, other)) for number, steps in enumerate(found))


CASES = [
    Case("rich", "plain", "cleanup", ("retry later", "recovery")),
    Case("plain", "rich", "lapse"),
    Case("held", "timed", "lapse", ("cleanup of orphans", "recovery")),
    Case("batch", "rich", "cleanup", ("keep", "rerun")),
    Case("timed", "held", "nothing is kept"),
]


class SequenceTests(Suite):
    """Whatever happens to a job one after the other, and whatever it was in an earlier life, is as the twin says."""

    sequence_length: ClassVar[int] = 2
    """How many steps each job takes, unless JOBSVALKEY_SEQUENCES says."""

    @pytest.mark.parametrize("case", CASES, ids=str)
    @conformance_test(driven_clock=True)
    async def test_sequences_of_one_job(self, kit: SuiteContext, case: Case) -> None:
        """After any few steps one after the other, and in another life, a job is as the twin says."""
        length = int(environ.get(SEQUENCES, self.sequence_length))
        walks = list(case.walks(kit.capabilities, length))
        for first in range(0, len(walks), AT_ONCE):
            await _walk(kit, case, walks[first : first + AT_ONCE], f"{kit.configuration.queue_key}-{first}")


async def _walk(kit: SuiteContext, case: Case, walks: Sequence[Walk], queue_key: str) -> None:
    """Let the jobs take their steps, in a queue of their own."""
    assert kit.clock is not None
    configuration = replace(
        kit.configuration,
        queue_key=queue_key,
        retention_policy=RetentionPolicy() if case.ended == "nothing is kept" else KEPT,
        activity=Capability.ACTIVITY in kit.capabilities,
        idempotency_window=WINDOW,
    )
    pair = Pair(kit.harness, configuration, kit.clock)
    await pair.open()
    jobs = Walking(pair, kit.clock, walks)
    try:
        await jobs.open()
        for _ in walks[0].sequence:
            await jobs.take_a_step()
        await jobs.finish()
        await jobs.forget()
        await jobs.live_again()
        await jobs.forget()
    except AssertionError as error:
        raise AssertionError("\n".join([line async for line in explained(jobs, error)])) from error
    finally:
        await pair.aclose()


async def explained(jobs: Walking, error: AssertionError) -> AsyncGenerator[str]:
    """Say which sequences the error is about: those of the jobs that are shown otherwise, or that it names."""
    text = str(error)
    differing = await _differing(jobs) if jobs.can(Capability.INSPECTION) else {}
    named = {job_id: "" for found in JOB.findall(text) if (job_id := JobID(found)) not in differing}
    walks = {walk.job_id: walk for walk in jobs.walks}
    about = [(walks[job_id], how) for job_id, how in (differing | named).items() if job_id in walks]
    told: dict[str, Kind | None] = {}
    for walk, how in about:
        told.setdefault(f"after {walk.words(jobs.level)}: {how or 'see below'}", walk.kind(jobs.level))
    for words, kind in list(told.items())[:SHOWN]:
        yield words
        if kind:
            yield f"  promised: {kind.promise}"
    yield f"{len(about)} jobs differ at {jobs.what}: {text[:2000]}"


async def _differing(jobs: Walking) -> dict[JobID, str]:
    tested, twin = [
        {job.job_id: job for status in JobStatus async for job in driver.jobs(status)}
        for driver in (jobs.pair.tested, jobs.pair.twin)
    ]
    return {
        job_id: "; ".join(_difference(tested.get(job_id), twin.get(job_id)))
        for job_id in [*tested, *(each for each in twin if each not in tested)]
        if tested.get(job_id) != twin.get(job_id)
    }


def _difference(tested: StoredJob | None, twin: StoredJob | None) -> Iterator[str]:
    if tested is None or twin is None:
        yield f"the driver has {tested}, the twin {twin}"
        return
    for name, ours in asdict(tested).items():
        if ours != (theirs := getattr(twin, name)):
            yield f"{name} is {ours!r}, of the twin {theirs!r}"
