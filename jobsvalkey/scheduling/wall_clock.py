"""Place a wall clock's time in UTC, across the gaps and folds of a time zone.

`zoneinfo` tells a zone's offset at an instant, not when it changes; a change is found by halving. All datetimes
here are naive: "UTC" ones are instants, "local" ones are what the clock on the wall shows.
"""

from datetime import UTC, datetime, timedelta, tzinfo

_STEP = timedelta(days=7)
"""No zone changes its offset twice, there and back, within a week."""
_SECOND = timedelta(seconds=1)


def offset_at(instant: datetime, zone: tzinfo) -> timedelta:
    """Return what the zone adds to UTC at `instant`."""
    return instant.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) - instant


def first_change(after: datetime, until: datetime, zone: tzinfo) -> datetime | None:
    """The first instant in (after, until], to the second, at which the zone's offset is another than before."""
    offset = offset_at(after, zone)
    while after < until:
        later = min(after + _STEP, until)
        if offset_at(later, zone) != offset:
            while later - after > _SECOND:
                middle = after + (later - after) // (2 * _SECOND) * _SECOND
                if offset_at(middle, zone) == offset:
                    after = middle
                else:
                    later = middle
            return later
        after = later
    return None


def first_instant(local: datetime, zone: tzinfo) -> datetime:
    """Return the instant at which the wall clock first shows `local`, or, if it never does, jumps over it."""
    first, second = (_instant(local, zone, fold) for fold in (0, 1))
    # Out of order, they are what `local` would be by the offsets before and after the gap that it is in.
    return first if first <= second else (first_change(second, first, zone) or first)


def _instant(local: datetime, zone: tzinfo, fold: int) -> datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(tzinfo=None)
