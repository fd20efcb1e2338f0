"""The error of a job's last failure, as it is stored beside the job."""

import traceback
from dataclasses import dataclass

import msgspec

MAX_MESSAGE = 2_000
"""Characters of a message that are kept, from its beginning."""
MAX_TRACEBACK = 8_000
"""Characters of a traceback that are kept, from its end, which names the place of the error."""


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed, last time."""

    type: str
    """The name of the exception's class."""
    message: str
    traceback: str
    """Empty where the job did not run."""
    attempt: int
    """The attempt that failed; 0 where the job's request could not be read."""


def encode_error(error: BaseException, attempt: int) -> bytes:
    """The record of `error`, as JSON of bounded size."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        message = str(error)
    except Exception as broken:
        message = f"<its message raised {type(broken).__name__}>"
    trace = "".join(traceback.format_exception(error)) if error.__traceback__ is not None else ""
    record = JobError(name, _encodable(message[:MAX_MESSAGE]), _encodable(trace[-MAX_TRACEBACK:]), attempt)
    return msgspec.json.encode(record)


def decode_error(record: bytes) -> JobError:
    """The error that was recorded; one from another library becomes the message of an error without a type."""
    try:
        return msgspec.json.decode(record, type=JobError)
    except (msgspec.DecodeError, ValueError):
        return JobError("", record.decode("utf-8", "replace"), "", 0)


def _encodable(text: str) -> str:
    # Lone surrogates, as in undecodable file names, are no UTF-8.
    return text.encode("utf-8", "backslashreplace").decode()
