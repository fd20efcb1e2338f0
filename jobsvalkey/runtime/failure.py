"""The error of a job's last failure, as it is stored with the job and as it is logged.

An error is an object of the user, any part of which may raise anything when it is looked at. The functions here never
raise.
"""

import logging
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import msgspec

MAX_MESSAGE = 2_000
"""Characters of a message that are kept, from its beginning."""
MAX_TRACEBACK = 8_000
"""Characters of a traceback that are kept: its end, with the last calls and the message."""
MAX_LINE = 1_000
"""Characters of one entry of a traceback that are kept: source lines, and messages of causes, may be long."""


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed the last time."""

    type: str
    """The name of the exception's class."""
    message: str
    traceback: str
    """Empty if the job did not run."""
    attempt: int
    """The attempt that failed; 0 if the job's request could not be read, or if it has expired."""


def encode_error(error: BaseException, attempt: int) -> bytes:
    """The record of `error`, of bounded size: a line with its type and message, and all of it as JSON."""
    record = JobError(type_of(error), message_of(error), traceback_of(error), attempt)
    line = f"{record.type}: {record.message}".splitlines()[0]
    return line.encode() + b"\n" + msgspec.json.encode(record)


def decode_error(record: bytes) -> JobError:
    """The error that was recorded. An error from another library becomes the message of an error without a type."""
    try:
        return msgspec.json.decode(record[record.find(b"\n") + 1 :], type=JobError)
    except (msgspec.DecodeError, ValueError):
        return JobError("", record.decode("utf-8", "replace"), "", 0)


def type_of(error: BaseException) -> str:
    """The name of the error's class, with its module."""
    kind = type(error)
    try:
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        return _bounded(name, MAX_MESSAGE)
    except BaseException:
        return type.__dict__["__qualname__"].__get__(kind)


def message_of(error: BaseException) -> str:
    """The error's own message, of bounded length."""
    try:
        return _bounded(str(error), MAX_MESSAGE)
    except BaseException as broken:
        return f"<its message raised {type_of(broken)}>"


def traceback_of(error: BaseException) -> str:
    """The error's traceback, of bounded length; empty if it was not raised."""
    try:
        if error.__traceback__ is None:
            return ""
        # That of a `SyntaxError` has its type in the fourth line, after a file, a line of source, and marks below it.
        longest = MAX_MESSAGE // 4 if issubclass(type(error), SyntaxError) else MAX_LINE
        entries = [_bounded(entry, longest - 1).rstrip("\n") + "\n" for entry in traceback.format_exception(error)]
        # The calls of an error come before its message, those of the members of a group after it.
        is_group = issubclass(type(error), BaseExceptionGroup)
        last = 0 if is_group else len(traceback.format_exception_only(error))
        message = _bounded("".join(entries[len(entries) - last :]), MAX_MESSAGE)
        calls = "".join(entries[: len(entries) - last])
        return calls[max(0, len(calls) + len(message) - MAX_TRACEBACK) :] + message
    except BaseException:
        return _calls_of(error) + f"{type_of(error)}: {message_of(error)}\n"


def is_a(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Whether the error is of one of these kinds; `isinstance` may ask the error itself."""
    return issubclass(type(error), kinds)


def log_error(
    logger: logging.Logger,
    level: int,
    text: str,
    *arguments: object,
    error: BaseException,
    fields: Mapping[str, object],
) -> None:
    """Log `text` with the error, whatever that does to the handlers of the log.

    Args:
        fields: extra fields of the record.
    """
    try:
        logger.log(level, text, *arguments, exc_info=error, extra=fields)
    except BaseException:
        # It cannot be formatted by others, or a handler of the log is broken: then at least the job goes on.
        with suppress(BaseException):
            logger.log(level, "%s\n%s", text % arguments, traceback_of(error), extra=fields)


def _calls_of(error: BaseException) -> str:
    try:
        found = BaseException.__dict__["__traceback__"].__get__(error)
        return _bounded("".join(traceback.format_tb(found, limit=-20)), MAX_TRACEBACK - 2 * MAX_MESSAGE)
    except BaseException:
        return ""


def _bounded(text: str, length: int) -> str:
    """The beginning of a text, as a plain string without what UTF-8 cannot hold, such as lone surrogates."""
    return str.encode(str.__getitem__(text, slice(length)), "utf-8", "backslashreplace").decode()[:length]
