"""Unique names, of which one job at a time holds each."""

from datetime import timedelta
from typing import Literal

import msgspec

from jobsvalkey.contract.option_types import check_option
from jobsvalkey.contract.spans import check_span

LONGEST_KEY = 1024


class Unique(msgspec.Struct, frozen=True, gc=False):
    """A name that one job holds at a time. A push while another job holds it is a duplicate, or replaces that job.

    Raises:
        TypeError: a value is of another type.
        ValueError: the key is empty, longer than 1,024 bytes in UTF-8, or cannot be stored as text; `until` or
            `otherwise` is not one of the allowed values.
    """

    key: str
    until: Literal["end", "start"] | timedelta = "end"
    """How long the job holds the name: until it ends, until it is claimed, or for this time from the push, whatever
    happens to the job."""
    otherwise: Literal["skip", "replace"] = "skip"
    """Says what a push does while another job holds the name: nothing; or, if that job has not begun to run, give it
    the request, the time and the options of the new one."""

    def __post_init__(self) -> None:
        check_option("the key of a unique job", self.key, str)
        check_option("until", self.until, Literal["end", "start"] | timedelta)
        check_option("otherwise", self.otherwise, Literal["skip", "replace"])
        if isinstance(self.until, timedelta):
            check_span(self.until, "until")
        try:
            size = len(self.key.encode())
        except UnicodeEncodeError as error:
            raise ValueError(f"the key of a unique job is no text that can be stored: {error}") from None
        if not 0 < size <= LONGEST_KEY:
            raise ValueError(
                f"the key of a unique job has 1 to {LONGEST_KEY:,} bytes in UTF-8, and this one has {size:,}: "
                "use a digest of what is longer"
            )
