"""The times at which a job runs, again and again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Self, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jobsvalkey.contract import aware
from jobsvalkey.contract.option_types import check_option, check_types
from jobsvalkey.scheduling import crontab
from jobsvalkey.scheduling.days import Day, Month


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times at which a job runs, to the second: a crontab in a time zone.

    When the clocks change, a job at fixed times runs once for each of them: right after the change if the time is
    skipped, at the first of the two if it comes twice. A job whose minute or hour is a wildcard runs whenever the wall
    clock shows one of its times. Days that a month does not have are left out.

    Each way to make one raises a `ValueError` if a value is out of range or no date fits.
    """

    expression: str
    """Five fields: minute, hour, day of month, month, day of week; or six, with the second in front."""
    time_zone: tzinfo = UTC
    """The zone of these hours and days."""

    def __post_init__(self) -> None:
        check_types(self)
        crontab.check(self.expression, self.time_zone)

    @classmethod
    def every_minute(cls, *, second: int = 0) -> Self:
        """Fire once a minute."""
        return cls(_expression(second=second))

    @classmethod
    def on_minutes(cls, minutes: Iterable[int], *, second: int = 0) -> Self:
        """Fire at these minutes of each hour."""
        return cls(_expression(second=second, minute=minutes))

    @classmethod
    def hourly(cls, *, minute: int = 0, second: int = 0) -> Self:
        """Fire once an hour."""
        return cls(_expression(second=second, minute=minute))

    @classmethod
    def on_hours(cls, hours: Iterable[int], *, minute: int = 0, second: int = 0, time_zone: tzinfo | str = UTC) -> Self:
        """Fire at these hours of each day."""
        return cls(_expression(second=second, minute=minute, hour=hours), _zone(time_zone))

    @classmethod
    def daily(cls, *, hour: int = 0, minute: int = 0, second: int = 0, time_zone: tzinfo | str = UTC) -> Self:
        """Fire once a day."""
        return cls(_expression(second=second, minute=minute, hour=hour), _zone(time_zone))

    @classmethod
    def on_days(
        cls,
        days: Iterable[Day],
        *,
        hour: int = 0,
        minute: int = 0,
        second: int = 0,
        time_zone: tzinfo | str = UTC,
    ) -> Self:
        """Fire on these days of each week."""
        return cls(_expression(second=second, minute=minute, hour=hour, day=days), _zone(time_zone))

    @classmethod
    def weekly(
        cls, day: Day, *, hour: int = 0, minute: int = 0, second: int = 0, time_zone: tzinfo | str = UTC
    ) -> Self:
        """Fire once a week."""
        return cls(_expression(second=second, minute=minute, hour=hour, day=day), _zone(time_zone))

    @classmethod
    def on_dates(
        cls,
        dates: Iterable[int],
        *,
        hour: int = 0,
        minute: int = 0,
        second: int = 0,
        time_zone: tzinfo | str = UTC,
    ) -> Self:
        """Fire on these days of each month, counted from 1."""
        return cls(_expression(second=second, minute=minute, hour=hour, date=dates), _zone(time_zone))

    @classmethod
    def monthly(
        cls, date: int = 1, *, hour: int = 0, minute: int = 0, second: int = 0, time_zone: tzinfo | str = UTC
    ) -> Self:
        """Fire once a month."""
        return cls(_expression(second=second, minute=minute, hour=hour, date=date), _zone(time_zone))

    @classmethod
    def on_months(
        cls,
        months: Iterable[Month],
        date: int = 1,
        *,
        hour: int = 0,
        minute: int = 0,
        second: int = 0,
        time_zone: tzinfo | str = UTC,
    ) -> Self:
        """Fire once in each of these months."""
        return cls(_expression(second=second, minute=minute, hour=hour, date=date, month=months), _zone(time_zone))

    @classmethod
    def yearly(
        cls,
        month: Month = Month.JANUARY,
        date: int = 1,
        *,
        hour: int = 0,
        minute: int = 0,
        second: int = 0,
        time_zone: tzinfo | str = UTC,
    ) -> Self:
        """Fire once a year."""
        return cls(_expression(second=second, minute=minute, hour=hour, date=date, month=month), _zone(time_zone))

    @classmethod
    def crontab(cls, expression: str, *, time_zone: tzinfo | str = UTC) -> Self:
        """Fire as a crontab says.

        Fields take `*`, names (`sat`, `jan`), ranges, steps and lists; a day of month `L` is the last one, `LW` the
        last weekday; a day of week `fri#2` is the second Friday, `5L` the last. If both days are restricted,
        either one is enough, as in Debian's cron; one that begins with `*` has to fit as well. `@yearly`,
        `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight` and `@hourly` stand for what they say.
        """
        check_option("expression", expression, str)
        return cls(crontab.expand(expression), _zone(time_zone))

    def next_after(self, moment: datetime) -> datetime:
        """Return the first trigger after `moment`, in the schedule's time zone.

        Raises:
            ValueError: `moment` is naive.
        """
        instant = aware(moment, "next_after").astimezone(UTC).replace(tzinfo=None)
        trigger = crontab.next_after(self.expression, instant, self.time_zone)
        if trigger is None:
            raise ValueError(f"{self.expression!r} does not fire in the 50 years after {moment}")
        return trigger.replace(tzinfo=UTC).astimezone(self.time_zone)

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """Return the last trigger that is after `after` and not after `until`, if there is one.

        Raises:
            ValueError: one of the two is naive.
        """
        # In UTC: datetimes of one zone compare by what the clock shows, which comes twice in a fold.
        end = aware(until, "until").astimezone(UTC)
        found = self.next_after(after).astimezone(UTC)
        if found > end:
            return None
        # There may be millions: halve the time that the last one is in.
        quiet = end
        while found < quiet:
            middle = found + (quiet - found) // 2
            later = self.next_after(middle).astimezone(UTC)
            if later <= end:
                found = later
            else:
                quiet = middle
        return found.astimezone(self.time_zone)

    def describe(self) -> str:
        """Describe the schedule in words, such as "At 04:00 on Sunday (Europe/Berlin)"."""
        words = crontab.describe(self.expression)
        hour_and_dates = self.expression.split()[-4:]
        return words if set(hour_and_dates) == {"*"} else f"{words} ({self.time_zone})"


_FIELDS: Mapping[str, str] = {
    "second": "a whole number",
    "minute": "a whole number",
    "hour": "a whole number",
    "date": "a whole number",
    "month": "a Month, such as Month.JANUARY",
    "day": "a Day, such as Day.SUNDAY",
}
"""The fields of a crontab, in order, and what is given for each."""


def _expression(**given: int | Iterable[int]) -> str:
    """Return a crontab with a number, or several, in some fields, and any in the others."""
    return " ".join(_text(name, given[name]) if name in given else "*" for name in _FIELDS)


def _text(field: str, given: Any) -> str:
    is_list = isinstance(given, Iterable) and not isinstance(given, str)
    values: list[object] = list(cast("Iterable[object]", given)) if is_list else [given]
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{field} is {_FIELDS[field]}, not {value!r}")
    if not values:
        raise ValueError("a schedule needs at least one value")
    return ",".join(f"{value:d}" for value in values)


def _zone(time_zone: tzinfo | str) -> tzinfo:
    check_option("time_zone", time_zone, tzinfo | str)
    if isinstance(time_zone, tzinfo):
        return time_zone
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the last one if it names a folder of zones
        raise ValueError(f"{time_zone!r} is not a time zone: use a name such as 'Europe/Berlin'") from None
