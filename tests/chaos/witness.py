"""What the processes of a run saw, as a history of the conformance kit."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from jobsvalkey_conformance.history.calls import UNANSWERED
from jobsvalkey_conformance.history.record import Event, History

from jobsvalkey.contract import DriverConfiguration
from tests.chaos.crew import Crew, Member


@dataclass(frozen=True)
class Clock:
    """Tells what the machine's clock showed when the one of the logs stood at a number."""

    monotonic: int
    wall: datetime

    def at(self, nanoseconds: int) -> datetime:
        """The time."""
        return self.wall + timedelta(microseconds=(nanoseconds - self.monotonic) / 1000)


def history_of(crew: Crew, clock: Clock, end: int) -> History:
    """The calls of all, in the order in which they began. Any of them may have been sent more than once."""
    events = [event for member in crew.members for event in _events(member, clock, end)]
    return History(DriverConfiguration(), sorted(events, key=lambda event: event.began), [(0, end)])


def _events(member: Member, clock: Clock, end: int) -> list[Event]:
    answers = {entry.call: entry for entry in member.entries if entry.what in {"answered", "unanswered", "refused"}}
    events: list[Event] = []
    for entry in member.entries:
        if entry.what != "asked":
            continue
        answer = answers.get(entry.call)
        if answer is not None and answer.what == "refused":
            continue  # nothing was done
        answered = answer.at if answer is not None and answer.what == "answered" else None
        times = clock.at(entry.at), clock.at(answered or end)
        value = UNANSWERED if answer is None or answered is None else answer.value
        events.append(Event(member.role.name, entry.value, entry.at, answered, value, times))
    return events
