"""`jobsvalkey`: the commands, and how each of them ends."""

import errno
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated, cast

import typer

from jobsvalkey.cli.commands import (
    bench,
    cleanup,
    dashboard,
    demo,
    flow,
    info,
    jobs,
    lanes,
    push,
    queue,
    schedule,
    top,
    validate,
    worker,
    workers,
)
from jobsvalkey.cli.connection import debugging
from jobsvalkey.cli.errors import CommandFailed, WrongUsage, describe, one_line
from jobsvalkey.cli.server_url import redacted_text
from jobsvalkey.cli.standard_streams import give_up_output, prepare_streams
from jobsvalkey.cli.terminal import shown, shown_lines

app: typer.Typer = typer.Typer(
    name="jobsvalkey",
    help="A job queue on Valkey.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=False,
    # Tracebacks are Python's own: others would show local variables, which may hold a password.
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
app.command()(worker.worker)
app.command()(push.push)
app.command()(info.info)
app.add_typer(jobs.app, name="jobs")
app.add_typer(queue.app, name="queue")
app.add_typer(lanes.app, name="lanes")
app.add_typer(workers.app, name="workers")
app.add_typer(flow.app, name="flow")
app.command()(cleanup.cleanup)
app.command()(validate.validate)
app.add_typer(schedule.app, name="schedule")
app.command()(top.top)
app.command()(dashboard.dashboard)
app.command()(bench.bench)

# Click's, which typer keeps in different places from version to version.
_UsageError = cast("type[Exception]", typer.BadParameter.__base__)


INTERRUPTED = 130
"""The exit code that typer gives after Ctrl-C."""
_NOT_WRITTEN = frozenset({errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.ENOSPC})
"""The errors of the system if the output cannot be written."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"jobsvalkey {version('jobsvalkey')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A job queue on Valkey."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code: 0 done, 1 failed, 2 wrong usage."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    prepare_streams()
    try:
        _check_words(words)
        code: object = app(words, prog_name="jobsvalkey", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read what we print has seen enough.
        give_up_output()
        return 1
    except CommandFailed as error:
        return _fail(str(error), error.exit_code, error)
    except _UsageError as error:
        message = getattr(error, "format_message", error.__str__)()
        command = getattr(getattr(error, "ctx", None), "command_path", "jobsvalkey")
        return _fail(f"{message.rstrip('.')}: see {command} --help", 2, error)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 1, None)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NOT_WRITTEN:
            give_up_output()
            return _fail(
                f"the output cannot be written ({error.strerror}): the command may have done its work", 1, None
            )
        return _fail(describe(error), 1, error)
    if code == INTERRUPTED:
        return _fail("interrupted", 1, None)
    return code if isinstance(code, int) else 0


def _check_words(words: Sequence[str]) -> None:
    """Refuse what is not UTF-8, but for the name of a folder, which may be any bytes."""
    if words[:1] == ["demo"]:
        return
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise WrongUsage(f"{redacted_text(word)!r} is not UTF-8: write all arguments in UTF-8") from None


def _fail(message: str, code: int, error: Exception | None) -> int:
    with suppress(OSError):
        if error is not None and debugging():
            print(shown_lines("".join(traceback.format_exception(error))), end="", file=sys.stderr)  # noqa: T201
        print(f"jobsvalkey: {shown(one_line(redacted_text(message)))}", file=sys.stderr, flush=True)  # noqa: T201
    return code
