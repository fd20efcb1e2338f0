"""`jobsvalkey push`: store one job."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
import typer

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.durations import parse_duration
from jobsvalkey.cli.errors import WrongUsage
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, AsJson, Queue, Url
from jobsvalkey.cli.output import print_json, say
from jobsvalkey.contract import JobName, Pushed, StoreOutcome, Unique
from jobsvalkey.runtime import JobOptions

_UNTIL: Mapping[str, Literal["end", "start"]] = {"end": "end", "start": "start"}


def push(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job's name.", show_default=False)],
    parameters: Annotated[
        str,
        typer.Argument(metavar="JSON", help="Its parameters; - reads them from standard input.", show_default=False),
    ],
    delay: Annotated[
        str | None, typer.Option(metavar="TIME", help="Run it after this time, such as 90s, 1h30m or 7d.")
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option(metavar="TIME", help="Cancel it if no worker has taken it by then, such as 90s.")
    ] = None,
    keep_for: Annotated[
        str | None, typer.Option(metavar="TIME", help="Keep it and its result for this time after its end, such as 1h.")
    ] = None,
    job_id: Annotated[
        str | None, typer.Option(metavar="UUID", help="An id of your own: a second push of it does nothing.")
    ] = None,
    unique: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="A name that one job holds at a time: while it does, nothing is pushed."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="end|start|TIME", help="How long the name is held, such as 90s; by default end."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the job that holds the name, if it has not begun to run.")
    ] = False,
    priority: Annotated[int, typer.Option(metavar="N", help="From -100 to 100: a higher one goes first.")] = 0,
    lane: Annotated[
        str | None, typer.Option(metavar="NAME", help="The lane that it waits in: lanes take turns.")
    ] = None,
    after: Annotated[
        list[str] | None, typer.Option(metavar="UUID", help="Run it after this job. May be repeated.")
    ] = None,
    if_failed: Annotated[
        str | None,
        typer.Option(
            metavar="cancel|run", help="If one of those does not complete: cancel it, the default, or run it."
        ),
    ] = None,
    batch: Annotated[str | None, typer.Option(metavar="UUID", help="Make it a member of this batch.")] = None,
    url: Url = DEFAULT_URL,
    queue: Queue = DEFAULT_QUEUE,
    json: AsJson = False,
) -> None:
    """Store one job and print its id, or the id of the job that holds the unique name."""
    if parameters == "-":
        parameters = _read_input()
    options = _options(
        delay=_span(delay),
        expires_in=_span(expires_in),
        keep_for=_span(keep_for),
        job_id=job_id,
        unique=_unique(unique, until, replace=replace),
        priority=priority,
        lane=lane,
        after=after or (),
        if_failed=_if_failed(if_failed, after),
        batch=batch,
    )
    raw = _checked(parameters)
    if not name:
        raise WrongUsage("NAME is empty: give the name under which the job is registered")
    pushed = asyncio.run(_push(url, queue, JobName[msgspec.Raw](name, msgspec.Raw), raw, options))
    if json:
        print_json({"job_id": str(pushed.job_id), "outcome": pushed.outcome.value})
        return
    say(str(pushed.job_id))
    if options.unique is not None and pushed.outcome is not StoreOutcome.STORED:
        what = "nothing was pushed" if pushed.outcome is StoreOutcome.DUPLICATE else "it was replaced"
        say(f"this job holds the name {options.unique.key!r}: {what}", stderr=True)


def _read_input() -> str:
    try:
        text = sys.stdin.read()
        text.encode()  # if the locale is C, Python lets bytes pass that are no text
        return text
    except UnicodeError as error:
        raise WrongUsage(f"standard input is not UTF-8 ({error}): write the parameters in UTF-8") from error


def _unique(key: str | None, until: str | None, *, replace: bool) -> Unique | None:
    if key is None:
        if until is not None or replace:
            raise WrongUsage("--until and --replace say more about --unique KEY: give that, too")
        return None
    try:
        return Unique(key, _UNTIL.get(until or "end") or parse_duration(until or ""), "replace" if replace else "skip")
    except ValueError as error:
        raise WrongUsage(str(error)) from error


def _if_failed(given: str | None, after: Sequence[str] | None) -> Literal["cancel", "run"]:
    if given is not None and not after:
        raise WrongUsage("--if-failed says more about --after UUID: give that, too")
    if given not in (None, "cancel", "run"):
        raise WrongUsage(f"--if-failed is cancel or run, not {given!r}")
    return "run" if given == "run" else "cancel"


def _span(text: str | None) -> timedelta | None:
    return None if text is None else parse_duration(text)


def _options(**given: Any) -> JobOptions:
    try:
        return JobOptions(**given)
    except ValueError as error:
        raise WrongUsage(str(error)) from error


def _checked(parameters: str) -> msgspec.Raw:
    """The parameters as they were written: numbers are not read and written again."""
    try:
        msgspec.json.decode(parameters, type=Any)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise WrongUsage(
            f"the parameters are not JSON ({error}): text needs its quotes, as in jobsvalkey push NAME '\"text\"'"
        ) from error
    return msgspec.Raw(parameters.strip().encode())


async def _push(
    url: str, queue_key: str, name: JobName[msgspec.Raw], parameters: msgspec.Raw, options: JobOptions
) -> Pushed:
    async with open_queue(url, queue_key) as queue:
        return await queue.push_unless_held(name, parameters, options=options)
