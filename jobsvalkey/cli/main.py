"""`jobsvalkey`: the commands, and how each of them ends."""

import errno
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Final, cast

import typer

from jobsvalkey.cli.errors import CommandFailed, WrongUsage, debugging, describe, one_line
from jobsvalkey.cli.standard_streams import give_up_output, prepare_streams
from jobsvalkey.cli.terminal import shown, shown_lines

COMMANDS: Final = {
    "demo": "Watch a queue that loses a worker.",
    "worker": "Run the jobs of a service, or of several, which share the slots of one worker.",
    "push": "Store one job and print its id, or the id of the job that holds the unique name.",
    "info": "Count the jobs in each state.",
    "cleanup": "Remove or rerun jobs by state and age.",
    "validate": "Look for damage in the store.",
    "top": (
        "Watch queues: how many jobs are in each state, how many are due and for how long, and how many workers live."
    ),
    "dashboard": "Serve a dashboard for the browser: queues, jobs, errors; and cancel, abort, rerun, remove.",
    "bench": "Measure how fast the queue is here.",
    "jobs": "Look at single jobs, and change them.",
    "queue": "Pause and resume the queue as a whole, and see how much there is to do.",
    "lanes": "Look at the lanes of the queue, and limit what they may use.",
    "workers": "Look at the workers of the queue.",
    "flow": "Look at jobs that wait for others.",
    "schedule": "Show what a service has on its schedule.",
}
"""The commands, each a module of its name, and what it says of itself in the list of all."""

# Click's, which typer keeps in different places from version to version.
_UsageError = cast("type[Exception]", typer.BadParameter.__base__)


INTERRUPTED = 130
"""The exit code that typer gives after Ctrl-C."""
_NOT_WRITTEN = frozenset({errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.ENOSPC})
"""The errors of the system if the output cannot be written."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # which takes a while

        typer.echo(f"jobsvalkey {version('jobsvalkey')}")
        raise typer.Exit


def application(words: Sequence[str]) -> typer.Typer:
    """Return the program, with those commands that `words` name. The others only have a name and a line of help."""
    app = typer.Typer(
        name="jobsvalkey",
        help="A job queue on Valkey.",
        add_completion=False,
        rich_markup_mode=None,
        no_args_is_help=False,
        # Tracebacks are Python's own: others would show local variables, which may hold a password.
        pretty_exceptions_enable=False,
    )
    for name, text in COMMANDS.items():
        if name not in words:
            app.command(name, help=text)(_not_loaded)
            continue
        module = import_module(f"jobsvalkey.cli.commands.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))
    app.callback()(options)
    return app


def _not_loaded() -> None:
    """Stand for a command that was not named."""


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
        code: object = application(words)(words, prog_name="jobsvalkey", standalone_mode=False)
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
            from jobsvalkey.cli.server_url import redacted_text  # the drivers take a while

            raise WrongUsage(f"{redacted_text(word)!r} is not UTF-8: write all arguments in UTF-8") from None


def _fail(message: str, code: int, error: Exception | None) -> int:
    from jobsvalkey.cli.server_url import redacted_text

    with suppress(OSError):
        if error is not None and debugging():
            print(shown_lines("".join(traceback.format_exception(error))), end="", file=sys.stderr)  # noqa: T201
        print(f"jobsvalkey: {shown(one_line(redacted_text(message)))}", file=sys.stderr, flush=True)  # noqa: T201
    return code
