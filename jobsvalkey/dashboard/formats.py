"""How values are written on a page."""

import json
from datetime import UTC, datetime, timedelta
from typing import Final

NOTHING: Final = "\N{EN DASH}"
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(value: timedelta | None) -> str:
    """A time span in its two largest units: `2 h 5 min`."""
    if value is None:
        return NOTHING
    left = value.total_seconds()
    if abs(left) < 1:
        return f"{left * 1000:.0f} ms"
    sign, left = ("-" if left < 0 else ""), round(abs(left))
    parts = list[str]()
    for seconds, unit in _UNITS:
        count, left = divmod(left, seconds)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return sign + " ".join(part for part in parts if part)


def ago(value: datetime, now: datetime) -> str:
    """A moment, as seen from now: `in 5 min`, `3 h ago`."""
    distance = value - now
    return f"in {duration(distance)}" if distance > timedelta(0) else f"{duration(-distance)} ago"


def moment(value: datetime) -> str:
    """A moment in UTC, to the second."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def pretty(document: str | None) -> str:
    """A JSON document on several lines; anything else as it is."""
    if document is None:
        return ""
    try:
        return json.dumps(json.loads(document), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return document


def short(text: str | None, most: int = 120) -> str:
    """The beginning of a text."""
    text = text or ""
    return text if len(text) <= most else f"{text[: most - 1]}…"
