"""`jobsvalkey`: the commands, and how each of them ends."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, cast

import typer

from jobsvalkey.cli.commands import bench, cleanup, demo, info, jobs, push, schedule, validate, worker
from jobsvalkey.cli.connection import debugging
from jobsvalkey.cli.errors import CommandFailed, describe, one_line

app: typer.Typer = typer.Typer(
    name="jobsvalkey", help="A job queue on Valkey.", add_completion=False, rich_markup_mode=None, no_args_is_help=False
)
app.command()(demo.demo)
app.command()(worker.worker)
app.command()(push.push)
app.command()(info.info)
app.add_typer(jobs.app, name="jobs")
app.command()(cleanup.cleanup)
app.command()(validate.validate)
app.add_typer(schedule.app, name="schedule")
app.command()(bench.bench)

# Click's, which typer keeps in different places from version to version.
_UsageError = cast("type[Exception]", typer.BadParameter.__base__)


INTERRUPTED = 130
"""What typer makes of Ctrl-C."""


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
    try:
        code: object = app(arguments, prog_name="jobsvalkey", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read what we print has seen enough; what is still in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
        return _fail(describe(error), 1, error)
    if code == INTERRUPTED:
        return _fail("interrupted", 1, None)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int, error: Exception | None) -> int:
    if error is not None and debugging():
        raise error
    print(f"jobsvalkey: {one_line(message)}", file=sys.stderr)  # noqa: T201
    return code
