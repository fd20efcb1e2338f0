"""The runs of a job that failed, or whose worker died, as a driver keeps them."""

from datetime import datetime
from typing import Final

import msgspec

MOST_RUNS: Final = 8
"""How many runs of a job are kept, the latest."""
LONGEST_LINE: Final = 200
"""How many bytes of an error are kept with its run."""


class StoredRun(msgspec.Struct, frozen=True):
    """A run that failed, or whose worker died."""

    at: datetime
    """When that was recorded."""
    worker: str
    """The id of the worker that had the job."""
    error: bytes | None = None
    """The first line of the error, at most 200 bytes of it; `None` if the worker died."""


def first_line(error: bytes) -> bytes:
    """Return the part of an error that a driver keeps with the run."""
    return error.splitlines()[0][:LONGEST_LINE]
