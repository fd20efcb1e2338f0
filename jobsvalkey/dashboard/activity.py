"""Plots over time of what workers did, from the counts that the queue keeps for a day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jobsvalkey.contract import Activity

SPANS: Final = {1: 1, 6: 5, 24: 15}
"""For each number of hours that may be looked at: the minutes of one bar."""
_HEIGHT: Final = 100.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a plot, in units of its view box."""

    x: int
    y: float
    height: float
    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Plot:
    """One number over time."""

    title: str
    kind: str
    """The class of its bars, which gives them their colour."""
    text: str
    """The numbers in words, for those who do not see it."""
    width: int
    """Bars that have room."""
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Doings:
    """Counts of what the workers of a queue did in the last hours."""

    hours: int
    minutes: int
    """The minutes that each of the steps has."""
    steps: list[Activity]
    """Sums, in order, without gaps."""

    @property
    def total(self) -> Activity:
        """The sum of all steps, from when the first one began."""
        return _sum(self.steps[0].minute, self.steps)

    @property
    def plots(self) -> Iterator[Plot]:
        """Three plots: jobs completed, jobs failed, and how long those that were started had waited."""
        each = "a minute" if self.minutes == 1 else f"in {self.minutes} minutes"
        for kind in ("completed", "failed"):
            values = [float(getattr(step, kind)) for step in self.steps]
            text = f"{sum(values):,.0f}, up to {max(values):,.0f} {each}"
            yield self._plot(kind.capitalize(), kind, text, values)
        waits = [step.waited / step.started / timedelta(seconds=1) if step.started else 0.0 for step in self.steps]
        yield self._plot("Mean wait", "pending", f"up to {max(waits):,.2f} s", waits)

    def _plot(self, title: str, kind: str, text: str, values: Sequence[float]) -> Plot:
        most = max(values) or 1.0
        bars = list[Bar]()
        for x, (step, value) in enumerate(zip(self.steps, values, strict=True)):
            if value > 0:
                height = max(_HEIGHT * value / most, 2.0)  # one among thousands is still to be seen
                bars.append(Bar(x, _HEIGHT - height, height, step.minute, value))
        return Plot(title, kind, text, len(values), bars)


def doings(minutes: Sequence[Activity], now: datetime, hours: int) -> Doings:
    """Sum up minutes, in as many steps as the plots have bars.

    Args:
        minutes: what was counted.
        now: in the last of the steps, unless the store's clock is ahead.
        hours: one of `SPANS`.
    """
    step = timedelta(minutes=SPANS[hours])
    last = _floor(max([now, *(each.minute for each in minutes)]), step)
    starts = [last - step * back for back in reversed(range(timedelta(hours=hours) // step))]
    found: dict[datetime, list[Activity]] = {start: [] for start in starts}
    for each in minutes:
        found.get(_floor(each.minute, step), []).append(each)
    return Doings(hours, SPANS[hours], [_sum(start, among) for start, among in found.items()])


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - datetime.min.replace(tzinfo=moment.tzinfo)) % step


def _sum(start: datetime, minutes: Sequence[Activity]) -> Activity:
    return Activity(
        minute=start,
        started=sum(each.started for each in minutes),
        completed=sum(each.completed for each in minutes),
        failed=sum(each.failed for each in minutes),
        retried=sum(each.retried for each in minutes),
        cancelled=sum(each.cancelled for each in minutes),
        waited=sum((each.waited for each in minutes), timedelta(0)),
    )
