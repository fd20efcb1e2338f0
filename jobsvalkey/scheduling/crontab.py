"""Crontab expressions: their checks, and when they fire.

`cronsim` reads them and finds the dates. It is asked about naive local times only; the two rules of Debian's cron for a
change of the clocks are applied here, the same for expressions with and without seconds:

- A job at fixed times (neither minute nor hour begins with `*`) fires once for each of its times: right after the
  change if the time is skipped, at the first of the two if it comes twice.
- Any other job fires whenever the wall clock shows one of its times.
"""

import re
from datetime import datetime, timedelta, tzinfo

from cronsim import CronSim, CronSimError
from cronsim.explain import explain

from jobsvalkey.scheduling.wall_clock import first_change, first_instant, offset_at

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_FIELDS = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L (the last day) or LW (the last weekday)",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 (0 and 7 are Sunday) or SUN-SAT, with #n for the nth and L for the last of the month",
}
_ORDINALS = {"1th": "1st", "2th": "2nd", "3th": "3rd"}
_PROBE = datetime(2000, 1, 1)  # noqa: DTZ001 - a local time
_SEARCH = timedelta(days=50 * 366)
"""How far `cronsim` looks before it gives up; weekday and 29 February meet again after 40 years at most."""


def expand(expression: str) -> str:
    """The fields that a nickname stands for; `expression` itself if it is not a nickname.

    Raises:
        ValueError: it begins with `@`, but is not a nickname.
    """
    text = " ".join(expression.split())
    if not text.startswith("@"):
        return text
    try:
        return NICKNAMES[text.lower()]
    except KeyError:
        raise ValueError(f"{expression!r} is not a crontab: the nicknames are {', '.join(NICKNAMES)}") from None


def check(expression: str, zone: tzinfo) -> None:
    """Make sure that `expression` can be read, and fires at some time.

    Raises:
        ValueError: it cannot, or never fires; the message quotes it and says what is wrong.
    """
    fields = expression.split()
    if len(fields) not in (5, 6):
        raise ValueError(
            f"{expression!r} is not a crontab: it has {len(fields)} fields, not five "
            "(minute, hour, day of month, month, day of week), or six with the second in front"
        )
    for position, name in enumerate(_FIELDS, start=len(fields) - len(_FIELDS)):
        if position >= 0:
            _check_field(expression, position, name)
    try:
        fires = next_after(expression, _PROBE, zone) is not None
    except CronSimError:
        fires = False
    if not fires:
        raise ValueError(f"{expression!r} never fires: no time is one that all of its fields allow")


def _check_field(expression: str, position: int, name: str) -> None:
    fields = expression.split()
    alone = ["*"] * len(fields)
    alone[position] = fields[position]
    try:
        CronSim(" ".join(alone), _PROBE)
    except CronSimError:
        raise ValueError(
            f"{expression!r} is not a crontab: {fields[position]!r} is no {name}, which is {_FIELDS[name]}, "
            "or a list (1,2), a rising range (1-5) or steps (*/5) of them"
        ) from None


def describe(expression: str) -> str:
    """The expression in words."""
    # The library's own words, but for two slips: 31th, and days that are joined by "and" although either is enough.
    words = explain(expression).replace(" and on ", " or on ")
    return re.sub(r"(?<=[2-5])[123]th\b", lambda found: _ORDINALS[found[0]], words)


def next_after(expression: str, instant: datetime, zone: tzinfo) -> datetime | None:
    """Return the first trigger after `instant`, both naive and in UTC; `None` if there is none in 50 years."""
    instant = instant.replace(microsecond=0)
    minute, hour = expression.split()[-5:-3]
    fixed = not minute.startswith("*") and not hour.startswith("*")
    return (_at_fixed_times if fixed else _whenever_it_shows)(expression, instant, zone)


def _at_fixed_times(expression: str, instant: datetime, zone: tzinfo) -> datetime | None:
    # A later local time never has an earlier first instant: the first one that comes after `instant` is the next.
    for local in CronSim(expression, instant + offset_at(instant, zone)):
        trigger = first_instant(local, zone)
        if trigger > instant:
            return trigger
    return None


def _whenever_it_shows(expression: str, instant: datetime, zone: tzinfo) -> datetime | None:
    start, offset = instant, offset_at(instant, zone)
    shown = start + offset
    while start - instant < _SEARCH:
        local = next(CronSim(expression, shown), None)
        if local is None:
            return None
        trigger = local - offset
        change = first_change(start, trigger, zone)
        if change is None:
            return trigger
        # The clock changes before it would show that time: look again, from what it shows at the change on.
        start, offset = change, offset_at(change, zone)
        shown = start + offset - timedelta(seconds=1)
    return None
