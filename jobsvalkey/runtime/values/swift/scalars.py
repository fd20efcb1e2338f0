"""Single values that Swift writes in a way of its own: dates, durations and decimals as numbers.

Numbers are read as `Decimal` if they have a fraction, so that nothing of them is lost before it is known what they
are for.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import msgspec

REFERENCE_DATE = datetime(2001, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ATTOSECONDS = 10**12
"""In a microsecond."""
_HALF = 1 << 64


def is_number(value: Any) -> bool:
    """Return whether JSON had a number here."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def write_date(date: datetime) -> msgspec.Raw:
    """Return the seconds since 2001-01-01T00:00:00Z, to the microsecond.

    Raises:
        ValueError: the date is naive.
    """
    if date.tzinfo is None:
        raise ValueError(f"a naive datetime ({date}) is no moment: give it a time zone")
    microseconds = (date - REFERENCE_DATE) // _MICROSECOND
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    fraction = f"{rest:06d}".rstrip("0") or "0"
    return msgspec.Raw(f"{'-' if microseconds < 0 else ''}{seconds}.{fraction}".encode())


def read_date(value: Any) -> Any:
    """Return the date, in UTC; other values than numbers as they are.

    Raises:
        ValueError: Python's dates do not go as far.
    """
    if not is_number(value):
        return value
    try:
        return REFERENCE_DATE + timedelta(microseconds=round(value * 1_000_000))
    except (OverflowError, ArithmeticError):
        raise ValueError(
            f"{value} seconds since 2001 is a date that Python cannot hold, such as Swift's Date.distantPast: "
            "its years go from 1 to 9999"
        ) from None


def write_duration(duration: timedelta) -> list[int]:
    """Return the high and the low 64 bits of the duration in attoseconds."""
    attoseconds = duration // _MICROSECOND * _ATTOSECONDS
    return [attoseconds >> 64, attoseconds & (_HALF - 1)]


def read_duration(value: Any) -> Any:
    """Return the duration, rounded to the microsecond; what is not a list as it is.

    Raises:
        ValueError: it is no pair of such numbers, or longer than a `timedelta` can be.
    """
    if not isinstance(value, list | tuple):
        return value
    halves = cast("list[Any]", value)
    if len(halves) != 2 or not all(isinstance(half, int) for half in halves) or not 0 <= halves[1] < _HALF:
        raise ValueError(f"{halves} is no duration of Swift's: the high and low 64 bits of its attoseconds")
    attoseconds = halves[0] * _HALF + halves[1]
    try:
        return timedelta(microseconds=(attoseconds + _ATTOSECONDS // 2) // _ATTOSECONDS)
    except OverflowError:
        raise ValueError(
            f"{halves} is a duration that Python cannot hold: a timedelta has up to 999999999 days"
        ) from None


def write_decimal(number: Decimal) -> msgspec.Raw:
    """Return the digits as a number.

    Raises:
        ValueError: it is not finite.
    """
    if not number.is_finite():
        raise ValueError(f"{number} is no number in JSON")
    text = str(number)
    # A bare -0 would be read as the integer 0.
    return msgspec.Raw((text + "E0" if text == "-0" else text).encode())


def read_decimal(value: Any) -> Any:
    """Return the number with its digits; other values as they are."""
    return Decimal(value) if is_number(value) else value


def read_plain(value: Any) -> Any:
    """Return a number with a fraction as `float`; other values as they are.

    Raises:
        ValueError: the number is larger than any `float`.
    """
    if not isinstance(value, Decimal):
        return value
    number = float(value)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{value} is larger than any float")
    return number
