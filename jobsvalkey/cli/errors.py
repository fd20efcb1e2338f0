"""The errors that end a command: one line that says what to do, and an exit code."""

from valkey.exceptions import ValkeyError

from jobsvalkey.contract import JobsError, StoreUnavailable


class CommandFailed(Exception):
    """The command was right, but did not do its work."""

    exit_code = 1


class WrongUsage(CommandFailed):
    """The command makes no sense as it was written."""

    exit_code = 2


def describe(error: Exception) -> str:
    """Return what an error of the library says, with what can be done about it from a shell."""
    if isinstance(error, StoreUnavailable):
        return f"{error}; start a server, or name another one with --url or JOBSVALKEY_URL"
    if isinstance(error, JobsError):
        return str(error)
    if isinstance(error, ValkeyError):
        return f"the server refuses, or does not answer ({error}): check it, and the rights of the user in --url"
    return f"unexpected {type(error).__name__}: {error} (JOBSVALKEY_DEBUG=1 shows where)"


def one_line(text: str) -> str:
    """Return the text without line breaks."""
    return " ".join(text.split())
