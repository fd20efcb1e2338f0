"""Times that every store can hold."""

from datetime import timedelta

LONGEST_DELAY = timedelta(days=36_500)


def check_span(span: timedelta, what: str) -> timedelta:
    """Return `span` if it is a time above zero that every store can hold.

    Raises:
        ValueError: it is not above zero, or beyond 36,500 days; the message calls it `what`.
    """
    if not timedelta(0) < span <= LONGEST_DELAY:
        raise ValueError(f"{what} is a time above zero, up to {LONGEST_DELAY.days:,} days, not {span}")
    return span
