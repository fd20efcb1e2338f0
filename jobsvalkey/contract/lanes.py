"""Priorities and lanes: what they may be."""

from jobsvalkey.contract.option_types import check_option

HIGHEST_PRIORITY = 100
LONGEST_LANE = 256


def check_priority(priority: int) -> int:
    """Return `priority`, if it is one: a whole number from -100 to 100.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is outside these bounds.
    """
    check_option("priority", priority, int)
    if not -HIGHEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise ValueError(f"a priority is from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}, not {priority}")
    return priority


def check_lane(lane: str) -> str:
    """Return `lane`, if it can name a lane: 1 to 256 bytes in UTF-8, without `*`.

    Raises:
        TypeError: it is no text.
        ValueError: it is empty, longer, has a `*`, or is no text that can be stored.
    """
    check_option("lane", lane, str)
    try:
        size = len(lane.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"the name of a lane is no text that can be stored: {error}") from None
    if not 0 < size <= LONGEST_LANE or "*" in lane:
        raise ValueError(
            f"the name of a lane has 1 to {LONGEST_LANE} bytes in UTF-8 and no '*', and {lane[:40]!r} is none: "
            "use a digest of what is longer"
        )
    return lane
