from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsvalkey.scheduling import Day, Month, Schedule

NAIVE = datetime(2024, 1, 1)  # noqa: DTZ001
NEW_YORK = ZoneInfo("America/New_York")
MONDAY = datetime(2024, 1, 1, 10, 20, 30, 400, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule.every_minute(), "2024-01-01 10:21:00"),
        (Schedule.every_minute(second=31), "2024-01-01 10:20:31"),
        (Schedule.on_minutes([10, 40]), "2024-01-01 10:40:00"),
        (Schedule.hourly(minute=20, second=30), "2024-01-01 11:20:30"),
        (Schedule.on_hours([9, 10], minute=30), "2024-01-01 10:30:00"),
        (Schedule.daily(hour=4), "2024-01-02 04:00:00"),
        (Schedule.on_days([Day.MONDAY, Day.THURSDAY], hour=9), "2024-01-04 09:00:00"),
        (Schedule.weekly(Day.SUNDAY, hour=4), "2024-01-07 04:00:00"),
        (Schedule.on_dates([1, 15]), "2024-01-15 00:00:00"),
        (Schedule.monthly(), "2024-02-01 00:00:00"),
        (Schedule.monthly(31, hour=1, minute=2, second=3), "2024-01-31 01:02:03"),
        (Schedule.on_months([Month.MARCH, Month.MAY], 2), "2024-03-02 00:00:00"),
        (Schedule.yearly(), "2025-01-01 00:00:00"),
        (Schedule.yearly(Month.FEBRUARY, 29), "2024-02-29 00:00:00"),
        (Schedule.crontab("0 */4 * * sat,sun"), "2024-01-06 00:00:00"),
        (Schedule.crontab("@weekly"), "2024-01-07 00:00:00"),
        (Schedule.crontab("@Midnight"), "2024-01-02 00:00:00"),
        (Schedule.crontab("*/20 * * * * *"), "2024-01-01 10:20:40"),
        (Schedule.crontab("0 0 L feb *"), "2024-02-29 00:00:00"),
        (Schedule.crontab("0 0 * * fri#2"), "2024-01-12 00:00:00"),
        (Schedule.crontab("30 9 13 * fri"), "2024-01-05 09:30:00"),
        (Schedule.daily(hour=6, time_zone="Asia/Kolkata"), "2024-01-02 00:30:00"),
        (Schedule.daily(hour=6, time_zone=timezone(timedelta(hours=-5))), "2024-01-01 11:00:00"),
    ],
    ids=lambda value: value.expression if isinstance(value, Schedule) else "",
)
def test_next_after(schedule: Schedule, expected: str) -> None:
    assert str(schedule.next_after(MONDAY).astimezone(UTC)) == f"{expected}+00:00"


def test_a_trigger_is_strictly_after_the_moment_and_in_the_zone_of_the_schedule() -> None:
    schedule = Schedule.daily(hour=4, time_zone=NEW_YORK)
    first = schedule.next_after(MONDAY)
    assert (first.hour, first.tzinfo) == (4, NEW_YORK)
    assert schedule.next_after(first) - first == timedelta(days=1)
    assert schedule.next_after(first - timedelta(microseconds=1)) == first


def triggers(schedule: Schedule, start: datetime, count: int) -> list[str]:
    found: list[str] = []
    moment = start
    for _ in range(count):
        moment = schedule.next_after(moment)
        found.append(moment.strftime("%d %H:%M %z"))
    return found


def test_in_a_gap_a_daily_schedule_fires_once_right_after_the_change() -> None:
    start = datetime(2024, 3, 9, 12, tzinfo=NEW_YORK)
    expected = ["10 03:00 -0400", "11 02:30 -0400"]
    assert triggers(Schedule.daily(hour=2, minute=30, time_zone=NEW_YORK), start, 2) == expected
    assert triggers(Schedule.crontab("30 2 * * *", time_zone=NEW_YORK), start, 2) == expected


def test_in_a_fold_a_daily_schedule_fires_once_at_the_first_of_the_two() -> None:
    schedule = Schedule.daily(hour=1, minute=30, time_zone=NEW_YORK)
    assert triggers(schedule, datetime(2024, 11, 2, 12, tzinfo=NEW_YORK), 2) == ["03 01:30 -0400", "04 01:30 -0500"]
    # Asked between the two, when the clock shows 1:15 for the second time.
    between = datetime(2024, 11, 3, 6, 15, tzinfo=UTC)
    assert triggers(schedule, between, 1) == ["04 01:30 -0500"]


def test_a_wildcard_schedule_follows_elapsed_time() -> None:
    schedule = Schedule.crontab("*/30 * * * *", time_zone=NEW_YORK)
    fold = datetime(2024, 11, 3, 5, 15, tzinfo=UTC)
    assert triggers(schedule, fold, 4) == ["03 01:30 -0400", "03 01:00 -0500", "03 01:30 -0500", "03 02:00 -0500"]
    gap = datetime(2024, 3, 10, 6, 45, tzinfo=UTC)
    assert triggers(schedule, gap, 2) == ["10 03:00 -0400", "10 03:30 -0400"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Schedule.crontab("61 * * * *"), "'61 .*'61' is no minute, which is 0-59"),
        (lambda: Schedule.crontab("* * * *"), "it has 4 fields"),
        (lambda: Schedule.crontab(""), "'' .*it has 0 fields"),
        (lambda: Schedule.crontab("* * * * sat-mon"), "'sat-mon' is no day-of-week"),
        (lambda: Schedule.crontab("*/0 * * * *"), "'\\*/0' is no minute"),
        (lambda: Schedule.crontab("60 0 0 * * *"), "'60' is no second"),
        (lambda: Schedule.crontab("@reboot"), "'@reboot' .*the nicknames are @yearly"),
        (lambda: Schedule.crontab("0 0 30 2 *"), "'0 0 30 2 \\*' never fires"),
        (lambda: Schedule.crontab("0 0 */30 2 mon#2"), "never fires"),
        (lambda: Schedule.yearly(Month.APRIL, 31), "never fires"),
        (lambda: Schedule.daily(hour=24), "'24' is no hour"),
        (lambda: Schedule.monthly(0), "'0' is no day-of-month"),
        (lambda: Schedule.on_days([]), "at least one"),
        (lambda: Schedule.daily(time_zone="Mars/Olympus"), "'Mars/Olympus' is not a time zone"),
        (lambda: Schedule.daily(time_zone="Europe"), "'Europe' is not a time zone"),
        (lambda: Schedule.daily().next_after(NAIVE), "naive"),
        (lambda: Schedule.daily().latest(MONDAY, NAIVE), "naive"),
    ],
)
def test_what_is_wrong_is_said(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


@given(st.text("0123456789*,-/#L@ monfeb", max_size=20))
def test_any_text_is_a_schedule_or_a_value_error_that_quotes_it(text: str) -> None:
    try:
        schedule = Schedule.crontab(text)
    except ValueError as error:
        said = str(error)
    else:
        assert schedule.next_after(MONDAY) > MONDAY
        said = schedule.describe() and schedule.expression
    assert " ".join(text.split()) in " ".join(said.split())


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Schedule.weekly(Day.SUNDAY, hour=4, time_zone="Europe/Berlin"), "At 04:00 on Sunday (Europe/Berlin)"),
        (Schedule.daily(), "At 00:00 every day (UTC)"),
        (Schedule.hourly(), "At the start of every hour"),
        (Schedule.crontab("*/5 * * * *"), "Every fifth minute of every hour"),
        (Schedule.crontab("@yearly"), "At 00:00 on January 1 (UTC)"),
        (Schedule.crontab("* * * * * *", time_zone="Europe/Berlin"), "Every second"),
        (Schedule.crontab("0 * 13 * *"), "At the start of every hour on the 13th day of every month (UTC)"),
        (Schedule.crontab("* * * 6 *"), "Every minute in June (UTC)"),
        (Schedule.crontab("* * * * fri"), "Every minute on Friday (UTC)"),
        (Schedule.monthly(31), "At 00:00 on the 31st day of every month (UTC)"),
        (
            Schedule.on_dates([11, 22, 23]),
            "At 00:00 on the 11th, the 22nd, and the 23rd day of month (UTC)",
        ),
        (Schedule.crontab("0 9 13 * mon,fri"), "At 09:00 on the 13th day of month or on Monday and Friday (UTC)"),
        (
            Schedule.crontab("0 9 1-7 * */2"),
            "At 09:00 on every day of month from 1 through 7 if it's on every second day of week (UTC)",
        ),
    ],
)
def test_describe(schedule: Schedule, words: str) -> None:
    assert schedule.describe() == words


def test_latest() -> None:
    hourly = Schedule.hourly()
    assert hourly.latest(MONDAY, MONDAY + timedelta(minutes=39)) is None
    exact = datetime(2024, 1, 1, 11, tzinfo=UTC)
    assert hourly.latest(MONDAY, exact) == exact
    assert hourly.latest(exact, exact) is None
    assert hourly.latest(MONDAY, exact + timedelta(minutes=150)) == exact + timedelta(hours=2)
    # Half a billion triggers.
    assert Schedule.crontab("* * * * * *").latest(datetime(2005, 1, 1, tzinfo=UTC), MONDAY) == MONDAY.replace(
        microsecond=0
    )


@given(
    st.sampled_from(["*/7 * * * *", "0 9-17 * * mon-fri", "0 0 1 * *", "15 2 * * *", "*/20 8-9 13 * fri"]),
    st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(0, 400_000),
    st.integers(0, 20_000),
)
def test_latest_is_the_last_of_all(expression: str, zone: str, offset: int, minutes: int) -> None:
    schedule = Schedule.crontab(expression, time_zone=zone)
    start = datetime(2023, 3, 1, tzinfo=UTC) + timedelta(minutes=offset)
    until = start + timedelta(minutes=minutes)
    last, following = None, schedule.next_after(start)
    while following.astimezone(UTC) <= until:
        last, following = following, schedule.next_after(following)
    assert schedule.latest(start, until) == last
