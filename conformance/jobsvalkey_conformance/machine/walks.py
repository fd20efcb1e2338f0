"""Jobs that each take one sequence of steps, in one queue: what they are pushed with, life by life."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from jobsvalkey.contract import Capability, JobID, LaneLimit, NewJob, Unique, new_job_id
from jobsvalkey_conformance.machine.kinds import Kind

HOUR = timedelta(hours=1)
FAR = HOUR * 999
Span: TypeAlias = Literal["end", "start"] | timedelta
LIFE = frozenset[str]
"""The features that a job is pushed with."""
LIVES: dict[str, LIFE] = {
    "plain": LIFE(),
    "rich": LIFE({"name", "limited lane", "priority", "expiry", "keep_for", "remembered", "reports", "child"}),
    "held": LIFE({"parents", "member", "lane", "child", "reports"}),
    "batch": LIFE({"batch", "name until the start", "remembered", "delay", "reports", "keep_for"}),
    "timed": LIFE({"name for a time", "rated lane", "low priority", "expiry", "delay", "reports"}),
}
SPANS: dict[str, Span] = {
    "name": "end",
    "name until the start": "start",
    "name for a time": HOUR * 1.25,
}
LANES = {"lane": "free", "limited lane": "limited", "rated lane": "rated"}
LIMITS = {"limited": LaneLimit(999), "rated": LaneLimit(rate=(999, timedelta(minutes=1)))}
FLOWS = (Capability.FLOWS, Capability.RESULTS, Capability.CANCEL)
NEEDS: dict[str, tuple[Capability, ...]] = {
    **dict.fromkeys(SPANS, (Capability.UNIQUE,)),
    **dict.fromkeys((*LANES, "priority", "low priority"), (Capability.LANES,)),
    **dict.fromkeys(("parents", "member", "batch", "child"), FLOWS),
    "expiry": (Capability.EXPIRY,),
    "keep_for": (Capability.RESULTS,),
    "reports": (Capability.REPORTS,),
}


class Walk:
    """One job, with the sequence that it takes and the two lives that it may have."""

    def __init__(self, number: int, sequence: Sequence[Kind], lives: tuple[LIFE, LIFE]) -> None:
        self.number = number
        self.job_id: JobID = new_job_id()
        self.sequence = sequence
        self.lives = lives
        self.current: int = 0
        """Which of the lives it has now."""

    @property
    def life(self) -> LIFE:
        """The features that it was pushed with last."""
        return self.lives[self.current]

    def kind(self, level: int) -> Kind | None:
        """Return the step that it takes at a level, if it takes one."""
        return self.sequence[level] if level < len(self.sequence) else None

    def words(self, level: int) -> str:
        """Say what has been done to it, up to a level."""
        first = f"push({', '.join(sorted(self.lives[0])) or 'nothing more'})"
        steps = [
            f"{each.name} ({', '.join(sorted(self.lives[1])) or 'nothing more'})"
            if each.name in ("push of the other life", "replace")
            else each.name
            for each in self.sequence[: level + 1]
        ]
        return " → ".join([first, *steps, *(["its end and another life"] if level >= len(self.sequence) else [])])

    def item(self, life: LIFE, expires: datetime, flow: "Flow") -> Iterator[NewJob]:
        """Yield the job as it is pushed with such a life, and those that come with it."""
        values: dict[str, Any] = {}
        for feature, span in SPANS.items():
            if feature in life:
                values["unique"] = Unique(f"name {self.number}", span)
        for feature, lane in LANES.items():
            if feature in life:
                values["lane"] = lane
        if {"priority", "low priority"} & life:
            values["priority"] = 5 if "priority" in life else -5
        if "keep_for" in life:
            values["keep_for"] = HOUR * 1.5
        if "expiry" in life:
            values["expires"] = expires
        if "parents" in life:
            values["after"] = (flow.root, flow.gate)
        if "batch" in life:
            values["batch"] = self.job_id
        elif "member" in life:
            values["batch"] = flow.callback
        due = timedelta(seconds=30) if "delay" in life else None
        request = f"{self.number}: {', '.join(sorted(life))}".encode()
        yield NewJob(self.job_id, request, due, "remembered" in life, **values)
        if "child" in life:
            if_failed = "run" if self.number % 2 else "cancel"
            yield NewJob(new_job_id(), b"child", after=(self.job_id,), if_failed=if_failed)
        if "batch" in life:
            yield NewJob(new_job_id(), b"member", batch=self.job_id)

    def replacement(self, life: LIFE, due: datetime) -> NewJob | None:
        """Return what takes the place of this job under its name, if it has one."""
        spans = [SPANS[feature] for feature in SPANS if feature in self.life]
        if not spans:
            return None
        (item, *_) = self.item(life - {"parents", "member", "batch", "child"}, due + FAR, Flow())
        until: Any = item.unique.until if item.unique else spans[0]
        name = Unique(f"name {self.number}", until, "replace")
        return NewJob(
            *(new_job_id(), b"replacing", due, item.remember),
            keep_for=item.keep_for,
            unique=name,
            expires=item.expires,
            priority=item.priority,
            lane=item.lane,
        )


class Flow:
    """The jobs that others of the same moment refer to: a parent that has ended, one that is about to, and a batch."""

    def __init__(self) -> None:
        self.root: JobID = new_job_id()
        self.gate: JobID = new_job_id()
        self.callback: JobID = new_job_id()
