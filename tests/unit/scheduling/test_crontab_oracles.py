"""Random crontabs against an independent library, and against our rule, stated minute by minute."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter

from jobsvalkey.scheduling import Schedule

MINUTE = timedelta(minutes=1)
RANGES = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "date": (1, 31), "month": (1, 12), "day": (0, 7)}


def values(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        found.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return found


def random_item(rng: random.Random, low: int, high: int) -> str:
    first, last = sorted(rng.sample(range(low, high + 1), 2))
    step = rng.randint(1, max(2, (high - low) // 2))
    return rng.choice([f"{first}", f"{first}-{last}", f"{first}-{last}/{step}", f"*/{step}"])


def random_field(rng: random.Random, name: str, wild: float) -> str:
    if rng.random() < wild:
        return "*"
    text = ",".join(random_item(rng, *RANGES[name]) for _ in range(rng.choice([1, 1, 1, 2, 3])))
    # The library takes a list of all values for a star, which cron does not.
    return "*" if len(values(text, *RANGES[name])) > RANGES[name][1] - RANGES[name][0] - (name == "day") else text


def random_crontab(rng: random.Random, *, seconds: bool = False) -> str:
    fields = [random_field(rng, "second", 0)] if seconds else []
    fields += [
        random_field(rng, name, wild)
        for name, wild in (("minute", 0.2), ("hour", 0.4), ("date", 0.5), ("month", 0.6), ("day", 0.5))
    ]
    return " ".join(fields)


def random_schedules(
    rng: random.Random, count: int, zone: tzinfo = UTC, *, seconds: bool = False
) -> Iterator[Schedule]:
    while count:
        try:
            yield Schedule.crontab(random_crontab(rng, seconds=seconds and rng.random() < 0.25), time_zone=zone)
        except ValueError as error:
            assert "never fires" in str(error)  # noqa: PT017
        else:
            count -= 1


def library_triggers(expression: str, start: datetime, count: int) -> list[datetime]:
    # What the library calls the cron bug is the rule of Debian's cron for days that begin with a star.
    iterator = croniter(expression, start, second_at_beginning=True, implement_cron_bug=True)
    return [iterator.get_next(datetime) for _ in range(count)]


def test_two_thousand_crontabs_agree_with_another_library_over_ten_years() -> None:
    rng = random.Random(20)
    for schedule in random_schedules(rng, 2000, seconds=True):
        for _ in range(5):
            start = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(10 * 365 * 86400))
            moment = start
            for expected in library_triggers(schedule.expression, start, 3):
                moment = schedule.next_after(moment)
                assert moment == expected, f"{schedule.expression} after {start}"


class Rule:
    """Debian's cron, asked minute by minute."""

    def __init__(self, expression: str) -> None:
        self.texts = expression.split()
        names = list(RANGES)[1:]
        self.minutes, self.hours, self.dates, self.months, self.days = (
            values(text, *RANGES[name]) for text, name in zip(self.texts, names, strict=True)
        )

    def allows(self, local: datetime) -> bool:
        if local.minute not in self.minutes or local.hour not in self.hours or local.month not in self.months:
            return False
        weekday = local.isoweekday()
        date, day = local.day in self.dates, weekday in self.days or weekday % 7 in self.days
        # A day field that begins with a star has to fit; of two that do not, one is enough.
        return (date and day) if "*" in (self.texts[2][0], self.texts[4][0]) else (date or day)

    def triggers(self, shown: list[tuple[datetime, datetime]]) -> list[datetime]:
        """The instants that fire, of a list of minutes: each an instant and what the wall clock shows then."""
        if "*" in (self.texts[0][0], self.texts[1][0]):
            return [instant for instant, local in shown if self.allows(local)]
        fired: list[datetime] = []
        latest = shown[0][1] - MINUTE
        for instant, local in shown:
            # All minutes that the clock has reached or jumped over for the first time; going back adds none.
            new = [latest + MINUTE * n for n in range(1, (local - latest) // MINUTE + 1)]
            if any(self.allows(minute) for minute in new):
                fired.append(instant)
            latest = max(latest, local)
        return fired


def minutes(start: datetime, days: float, zone: tzinfo) -> list[tuple[datetime, datetime]]:
    instants = [start + MINUTE * n for n in range(int(days * 1440))]
    return [(instant, instant.astimezone(zone).replace(tzinfo=None)) for instant in instants]


def all_triggers(schedule: Schedule, shown: list[tuple[datetime, datetime]]) -> list[datetime]:
    found: list[datetime] = []
    moment = shown[0][0] - MINUTE
    while (moment := schedule.next_after(moment).astimezone(UTC)) <= shown[-1][0]:
        found.append(moment)
    return found


def test_days_of_month_and_of_week_agree_with_the_rule() -> None:
    rng = random.Random(21)
    shown = minutes(datetime(2024, 2, 1, tzinfo=UTC), 45, UTC)
    for schedule in random_schedules(rng, 25):
        fields = schedule.expression.split()
        fields[0] = random_field(rng, "minute", 0)
        fields[2:] = [random_field(rng, "date", 0.1), "*", random_field(rng, "day", 0.1)]
        both = Schedule.crontab(" ".join(fields))
        assert all_triggers(both, shown) == Rule(both.expression).triggers(shown), both.expression


@pytest.mark.parametrize(
    ("zone", "day_before"),
    [
        ("America/New_York", "2024-03-09"),
        ("America/New_York", "2024-11-02"),
        ("Europe/Berlin", "2024-03-30"),
        ("Europe/Berlin", "2024-10-26"),
        ("Australia/Lord_Howe", "2024-04-06"),  # half an hour
        ("Australia/Lord_Howe", "2024-10-05"),
        ("America/Sao_Paulo", "2018-11-03"),  # no midnight
        ("America/Sao_Paulo", "2018-02-16"),  # two midnights
        ("Africa/Casablanca", "2024-03-09"),
        ("Asia/Kathmandu", "1985-12-31"),  # a quarter of an hour, in New Year's night
        ("Pacific/Apia", "2011-12-29"),  # a day that was not
        ("Asia/Pyongyang", "2015-08-14"),
    ],
)
def test_changes_of_the_clocks_agree_with_the_rule(zone: str, day_before: str) -> None:
    rng = random.Random(22)
    shown = minutes(datetime.fromisoformat(day_before).replace(tzinfo=UTC), 2.5, ZoneInfo(zone))
    for schedule in random_schedules(rng, 40, ZoneInfo(zone)):
        fields = schedule.expression.split()
        # Times near those at which clocks change, on any day.
        if rng.random() < 0.7:
            fields[1] = rng.choice(["0", "1", "2", "1,2", "0-3", "2-4", "3", "0,23", "*", "*/2"])
        schedule = Schedule.crontab(" ".join([*fields[:2], "*", "*", "*"]), time_zone=zone)
        expected = Rule(schedule.expression).triggers(shown)
        assert all_triggers(schedule, shown) == expected, schedule.expression
