"""Which jobs there are in a round, by number, and what they are for."""

from enum import StrEnum

WARM = range(100)
ONE_BY_ONE = range(100, 2_000)
BULK = range(2_000, 6_000)
DRAINED = 6_000
"""So many, all of the above, are there when the worker starts."""
SAMPLED = range(6_000, 6_021)
"""Pushed one at a time to a worker that is idle; the first of them opens the connection."""
JOBS = 6_021
REST = (0.01, 0.5)
"""Seconds at least and at most before each of those."""

LIMIT = 60.0
"""Seconds that each part of a round may take."""


class Side(StrEnum):
    """What a process does."""

    PUSH = "push"
    WORK = "work"
    LATENCY = "latency"
