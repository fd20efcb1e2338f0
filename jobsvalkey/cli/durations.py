"""Times as they are written on a command line: `90s`, `15m`, `1h30m`, `7d`, `500ms`."""

import re
from datetime import timedelta

from jobsvalkey.cli.errors import WrongUsage

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_PART = r"(\d+(?:\.\d+)?)(ms|[smhdw])"


def parse_duration(text: str) -> timedelta:
    """The time that `text` says.

    Raises:
        WrongUsage: it says none.
    """
    if re.fullmatch(f"(?:{_PART})+", text):
        try:
            return sum((float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text)), timedelta())
        except OverflowError:
            pass
    raise WrongUsage(f"{text!r} is not a time: write a number and a unit, such as 90s, 15m, 1h30m or 7d")
