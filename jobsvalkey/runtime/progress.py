"""The progress of a job, from its handler to those who look at the job."""

import json
from dataclasses import dataclass

import msgspec

from jobsvalkey.contract.checks import LARGEST_PROGRESS
from jobsvalkey.contract.option_types import check_option

LARGEST_NUMBER = 1 << 53
"""Beyond it JSON does not tell whole numbers apart."""


class _Stored(msgspec.Struct):
    done: int | float
    total: int | float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come."""

    done: float
    """How much is done, in whatever unit the handler counts."""
    total: float | None = None
    """How much there is to do, in the same unit; `None` if the handler has not said."""
    text: str = ""
    """A short description of what is counted or done."""

    def __str__(self) -> str:
        total = "" if self.total is None else f"/{self.total:.15g}"
        return f"{self.done:.15g}{total} {self.text}".rstrip()


def check_progress(done: float, total: float | None, text: str) -> None:
    """Check what a handler reports.

    Raises:
        TypeError: `done` or `total` is not a number, or the text is not text.
        ValueError: a number cannot be stored.
    """
    if type(done) is not int or (total is not None and type(total) is not int) or type(text) is not str:
        check_option("done", done, float)
        check_option("total", total, float | None)
        check_option("text", text, str)
    for number in (done, total):
        # Not a number is not below anything.
        if number is not None and not -LARGEST_NUMBER <= number <= LARGEST_NUMBER:
            raise ValueError(f"a progress of {done} of {total} cannot be stored: give numbers up to 2^53")


def encode_progress(done: float, total: float | None, text: str) -> bytes:
    """Return a progress as it is stored: a text that is too long is cut."""
    cut = min(len(text), LARGEST_PROGRESS)
    while True:
        shown = text if cut == len(text) else text[:cut] + "…"
        # `json`, since it writes any text.
        encoded = json.dumps({"done": done, "total": total, "text": shown}, ensure_ascii=False, separators=(",", ":"))
        data = encoded.encode(errors="replace")
        if len(data) <= LARGEST_PROGRESS:
            return data
        cut = max(cut - max((len(data) - LARGEST_PROGRESS) // 6, 1), 0)


def decode_progress(data: bytes) -> Progress | None:
    """Return a progress that is stored; `None` if the library has not written it."""
    try:
        stored = msgspec.json.decode(data, type=_Stored)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return Progress(stored.done, stored.total, stored.text)
