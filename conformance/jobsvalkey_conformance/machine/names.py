"""Fields of jobs, as the steps of the machine give them; most are about unique names."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from hypothesis import strategies as st

from jobsvalkey.contract import Capability, Due, LaneLimit, Unique
from jobsvalkey_conformance.machine.base import MachineBase
from jobsvalkey_conformance.machine.steps import step

UNTIL: Mapping[str, Literal["end", "start"] | timedelta] = {
    "end": "end",
    "start": "start",
    "10-s": timedelta(seconds=10),
    "60-s": timedelta(seconds=60),
}
OTHERWISE: Mapping[str, Literal["skip", "replace"]] = {"skip": "skip", "replace": "replace"}

queues: st.SearchStrategy[int] = st.sampled_from([0, 0, 0, 1])
"""Mostly the first: two steps on two queues seldom have to do with each other."""
names_of_jobs: st.SearchStrategy[list[str]] = st.lists(
    st.just("") | st.sampled_from([f"{key} {until} {how}" for key in "ab" for until in UNTIL for how in OTHERWISE]),
    min_size=1,
    max_size=3,
)
"""Unique names of jobs that are pushed together, in turn: key, until when, and what otherwise; or none."""


lines_of_jobs: st.SearchStrategy[list[str]] = st.lists(
    st.sampled_from(["", "", "0 a", "0 b", "5", "5 a", "-5 b"]), min_size=1, max_size=3
)
"""The lines of jobs that are pushed together, in turn: priority and lane, or none of either."""


LIMITS: Mapping[str, LaneLimit | None] = {
    "none": None,
    "1": LaneLimit(1),
    "2": LaneLimit(2),
    "1 in 10 s": LaneLimit(rate=(1, timedelta(seconds=10))),
    "2 in 60 s": LaneLimit(2, (2, timedelta(seconds=60))),
}


expiries: st.SearchStrategy[str | None] = st.sampled_from([None, None, None, "earlier", "soon", "later"])
"""When jobs expire that are pushed, as a due time is given."""


class NamesMachine(MachineBase):
    """Shared by the steps that push jobs: for how long they are kept, when they expire, their lines, their unique
    names, and when those are free."""

    def expires(self, name: str | None) -> Due:
        """Return when a job expires, where the driver can do that."""
        return self.due(name) if name and self.states(Capability.EXPIRY) else None

    def keep_for(self, seconds: int | None) -> timedelta | None:
        """How long a job is to be kept, where the driver can do that."""
        return timedelta(seconds=seconds) if seconds and self.states(Capability.RESULTS) else None

    def priority(self, words: str) -> int:
        """The priority of a line, where the driver can do that."""
        return int(words.split()[0]) if words and self.states(Capability.LANES) else 0

    def lane(self, words: str) -> str | None:
        """The lane of a line, where the driver can do that."""
        lane = words.partition(" ")[2]
        return lane if lane and self.states(Capability.LANES) else None

    def unique(self, words: str) -> Unique | None:
        """A unique name from its words, where the driver can do that."""
        if not words or not self.states(Capability.UNIQUE):
            return None
        key, until, otherwise = words.split()
        return Unique(key, UNTIL[until], OTHERWISE[otherwise])

    @step(
        Capability.LANES,
        queue=queues,
        pattern=st.sampled_from(["a", "b", "a*", "*"]),
        limit=st.sampled_from(["none", "1", "1", "2", "1 in 10 s", "2 in 60 s"]),
        numbered=st.booleans(),
    )
    def set_lane_limit(self, queue: int, pattern: str, limit: str, numbered: bool) -> None:
        """Set, change or remove the limit of lanes."""
        self.write(
            queue,
            f"set_lane_limit({pattern!r}, {limit})",
            numbered,
            lambda driver, operation: driver.set_lane_limit(pattern, LIMITS[limit], operation=operation),
        )

    @step(Capability.LANES, queue=queues, just_before=st.booleans(), when=lambda machine: machine.has_rates())
    def advance_to_allowed(self, queue: int, just_before: bool) -> None:
        """Let time go by until just then a lane may begin one more job, or may not yet."""
        lanes = self.pairs[queue].twin.state.lanes
        times = [time for lane in lanes.begun if (time := lanes.allowed_at(lane)) > self.clock.now()]
        if times:
            self.go_to(min(times) - self.harness.time_precision if just_before else min(times))

    def has_rates(self) -> bool:
        """Whether a lane has begun jobs under a rate."""
        return any(pair.twin.state.lanes.begun for pair in self.pairs)

    @step(Capability.UNIQUE, queue=queues, just_before=st.booleans())
    def advance_to_end_of_name(self, queue: int, just_before: bool) -> None:
        """Let time go by until just then a name that is held for a time is free, or is not yet."""
        names = self.pairs[queue].twin.state.names.values()
        ends = [name.until for name in names if name.until is not None and name.until > self.clock.now()]
        if ends:
            self.go_to(min(ends) - self.harness.time_precision if just_before else min(ends))
