"""The errors that end a command: one line that says what to do, and an exit code."""

import os


class CommandFailed(Exception):
    """The command was right, but did not do its work."""

    exit_code = 1


class WrongUsage(CommandFailed):
    """The command makes no sense as it was written."""

    exit_code = 2


def describe(error: Exception) -> str:
    """Return what an error of the library says, with what can be done about it from a shell."""
    from valkey.exceptions import ValkeyError  # which takes a while, and most commands end well

    from jobsvalkey.contract import JobsError, StoreUnavailable

    if isinstance(error, StoreUnavailable):
        return f"{error}; start a server, or name another one with --url or JOBSVALKEY_URL"
    if isinstance(error, JobsError):
        return str(error)
    if isinstance(error, ValkeyError):
        return f"the server refuses, or does not answer ({error}): check it, and the rights of the user in --url"
    return f"unexpected {type(error).__name__}: {error} (JOBSVALKEY_DEBUG=1 shows where)"


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return bool(os.environ.get("JOBSVALKEY_DEBUG"))


def one_line(text: str) -> str:
    """Return the text without line breaks."""
    return " ".join(text.split())
