"""When a job is to run, again and again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jobsvalkey.contract import aware
from jobsvalkey.scheduling import crontab
from jobsvalkey.scheduling.days import Day, Month


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times at which a job is to run, to the second: a crontab in a time zone.

    Where the clocks change, a job at fixed times runs once for each of them: right after the change where the time
    is skipped, at the first of the two where it comes twice. A job whose minute or hour is a wildcard runs whenever
    the wall clock shows one of its times. Days of the month that a month does not have are passed over.

    Each way to make one raises a `ValueError` where a value is out of range or no date fits.
    """

    expression: str
    """Five fields: minute, hour, day of month, month, day of week; or six, with the second in front."""
    time_zone: tzinfo = UTC
    """Whose hours and days these are."""

    def __post_init__(self) -> None:
        crontab.check(self.expression, self.time_zone)

    @classmethod
    def every_minute(cls, *, second: int = 0) -> Self:
        """Once a minute."""
        return cls(f"{second} * * * * *")

    @classmethod
    def on_minutes(cls, minutes: Iterable[int], *, second: int = 0) -> Self:
        """At these minutes of each hour."""
        return cls(f"{second} {_list(minutes)} * * * *")

    @classmethod
    def hourly(cls, *, minute: int = 0, second: int = 0) -> Self:
        """Once an hour."""
        return cls(f"{second} {minute} * * * *")

    @classmethod
    def on_hours(cls, hours: Iterable[int], *, minute: int = 0, second: int = 0, time_zone: tzinfo | str = UTC) -> Self:
        """At these hours of each day."""
        return cls(f"{second} {minute} {_list(hours)} * * *", _zone(time_zone))

    @classmethod
    def daily(cls, *, hour: int = 0, minute: int = 0, second: int = 0, time_zone: tzinfo | str = UTC) -> Self:
        """Once a day."""
        return cls(f"{second} {minute} {hour} * * *", _zone(time_zone))

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
        """On these days of each week."""
        return cls(f"{second} {minute} {hour} * * {_list(days)}", _zone(time_zone))

    @classmethod
    def weekly(
        cls, day: Day, *, hour: int = 0, minute: int = 0, second: int = 0, time_zone: tzinfo | str = UTC
    ) -> Self:
        """Once a week."""
        return cls(f"{second} {minute} {hour} * * {int(day)}", _zone(time_zone))

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
        """On these days of each month, counted from 1."""
        return cls(f"{second} {minute} {hour} {_list(dates)} * *", _zone(time_zone))

    @classmethod
    def monthly(
        cls, date: int = 1, *, hour: int = 0, minute: int = 0, second: int = 0, time_zone: tzinfo | str = UTC
    ) -> Self:
        """Once a month."""
        return cls(f"{second} {minute} {hour} {date} * *", _zone(time_zone))

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
        """Once in each of these months."""
        return cls(f"{second} {minute} {hour} {date} {_list(months)} *", _zone(time_zone))

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
        """Once a year."""
        return cls(f"{second} {minute} {hour} {date} {int(month)} *", _zone(time_zone))

    @classmethod
    def crontab(cls, expression: str, *, time_zone: tzinfo | str = UTC) -> Self:
        """As a crontab says it.

        Fields take `*`, names (`sat`, `jan`), ranges, steps and lists; a day of month `L` is the last one, `LW` the
        last weekday; a day of week `fri#2` is the second Friday, `5L` the last. Where both days are restricted,
        either one is enough, as in Debian's cron; one that begins with `*` has to fit as well. `@yearly`,
        `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight` and `@hourly` stand for what they say.
        """
        return cls(crontab.expand(expression), _zone(time_zone))

    def next_after(self, moment: datetime) -> datetime:
        """The first trigger after `moment`, in the schedule's time zone.

        Raises:
            ValueError: `moment` is naive.
        """
        instant = aware(moment, "next_after").astimezone(UTC).replace(tzinfo=None)
        trigger = crontab.next_after(self.expression, instant, self.time_zone)
        if trigger is None:
            raise ValueError(f"{self.expression!r} does not fire in the 50 years after {moment}")
        return trigger.replace(tzinfo=UTC).astimezone(self.time_zone)

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """The last trigger that is after `after` and not after `until`, if there is one.

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
        """The schedule in words, such as "At 04:00 on Sunday (Europe/Berlin)"."""
        words = crontab.describe(self.expression)
        hour_and_dates = self.expression.split()[-4:]
        return words if set(hour_and_dates) == {"*"} else f"{words} ({self.time_zone})"


def _list(values: Iterable[int]) -> str:
    text = ",".join(f"{value:d}" for value in values)
    if not text:
        raise ValueError("a schedule needs at least one value")
    return text


def _zone(time_zone: tzinfo | str) -> tzinfo:
    if isinstance(time_zone, tzinfo):
        return time_zone
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the last one where it names a folder of zones
        raise ValueError(f"{time_zone!r} is not a time zone: use a name such as 'Europe/Berlin'") from None
