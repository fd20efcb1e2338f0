"""Random flows and batches, as the clients of a history push them: each of a few jobs that are looked at together."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from jobsvalkey.contract import Capability, JobID, NewJob, Unique

MOST_JOBS = 8
"""Jobs of one flow: the search of a history takes longer the more of them are tied."""


@dataclass
class Flow:
    """The jobs that were tied to each other so far."""

    number: int
    job_ids: list[JobID] = field(default_factory=list[JobID])
    callback: JobID | None = None
    """The callback of the batch that some of them belong to, once there is one."""

    @property
    def is_full(self) -> bool:
        """Whether no new job can join."""
        return len(self.job_ids) >= MOST_JOBS


class Flows:
    """The flows of one history. A job belongs to one flow at most, and a unique name to the jobs of one."""

    def __init__(self, capabilities: frozenset[Capability]) -> None:
        self._capabilities = capabilities
        self.flows: list[Flow] = []
        self.there: set[JobID] = set()
        """The jobs that were stored: the others seldom hold one."""

    @property
    def callbacks(self) -> list[JobID]:
        """The callbacks of all batches."""
        return [flow.callback for flow in self.flows if flow.callback is not None]

    def items(self, random: Random, name: str) -> list[NewJob]:
        """Jobs to be pushed together: a new flow, or more of one of the last ones."""
        candidates = [flow for flow in self.flows[-4:] if not flow.is_full]
        if not candidates or random.random() < 0.25:
            candidates = [Flow(len(self.flows))]
            self.flows += candidates
        flow = random.choice(candidates)
        fresh = set[JobID]()
        return [self._job(flow, random, f"{name} {place}", fresh) for place in range(random.randint(1, 4))]

    def _job(self, flow: Flow, random: Random, name: str, fresh: set[JobID]) -> NewJob:
        others = list(flow.job_ids)
        kind = random.choice(("root", "after", "after", "after", "member", "member", "callback"))
        likely = [each for each in others if each in self.there or each in fresh]
        if kind == "callback" and flow.callback is not None and flow.callback not in likely:
            job_id = flow.callback
        elif not others or (not flow.is_full and random.random() < 0.85):
            job_id = JobID(int=random.getrandbits(128))
            flow.job_ids.append(job_id)
        else:
            job_id = random.choice(others)
        fresh.add(job_id)
        if kind == "callback" and flow.callback is None:
            flow.callback = job_id
        before = [each for each in (likely if random.random() < 0.95 else others) if each != job_id]
        after = random.sample(before, min(len(before), random.randint(1, 3))) if kind == "after" else []
        if kind == "after" and random.random() < 0.03:
            after.append(JobID(int=random.getrandbits(128)))  # which nobody pushed
        is_member = kind == "member" and flow.callback in before
        batch = job_id if job_id == flow.callback else flow.callback if is_member else None
        return NewJob(
            *(job_id, f"{name} {random.getrandbits(16)}".encode()),
            due=timedelta(seconds=random.randint(1, 10)) if random.random() < 0.15 else None,
            remember=random.random() < 0.2,
            keep_for=self._chance(
                random, 0.9, Capability.RESULTS, timedelta(seconds=random.choice((2, 20, 600, 3600)))
            ),
            expires=self._chance(random, 0.1, Capability.EXPIRY, timedelta(seconds=random.randint(1, 40))),
            unique=self._unique(flow, random),
            after=() if batch == job_id else tuple(after),
            if_failed=random.choice(("cancel", "run")) if after and batch != job_id else "cancel",
            batch=batch,
        )

    def _chance(self, random: Random, chance: float, capability: Capability, value: timedelta) -> timedelta | None:
        return value if random.random() < chance and capability in self._capabilities else None

    def _unique(self, flow: Flow, random: Random) -> Unique | None:
        if Capability.UNIQUE not in self._capabilities or random.random() < 0.85:
            return None
        until = random.choice(("end", "end", "start", timedelta(seconds=random.randint(1, 30))))
        return Unique(f"flow {flow.number}", until, random.choice(("skip", "replace")))
