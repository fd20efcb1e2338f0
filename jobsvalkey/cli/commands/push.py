"""`jobsvalkey push`: store one job."""

import asyncio
import sys
from typing import Annotated, Any

import msgspec
import typer

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.durations import parse_duration
from jobsvalkey.cli.errors import WrongUsage
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, AsJson, Queue, Url
from jobsvalkey.cli.output import print_json, say
from jobsvalkey.contract import JobID, JobName
from jobsvalkey.runtime import JobOptions


def push(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job's name.", show_default=False)],
    parameters: Annotated[
        str,
        typer.Argument(metavar="JSON", help="Its parameters; - reads them from standard input.", show_default=False),
    ],
    delay: Annotated[
        str | None, typer.Option(metavar="TIME", help="Run it after this time, such as 90s, 1h30m or 7d.")
    ] = None,
    job_id: Annotated[
        str | None, typer.Option(metavar="UUID", help="An id of your own: a second push of it does nothing.")
    ] = None,
    url: Url = DEFAULT_URL,
    queue: Queue = DEFAULT_QUEUE,
    json: AsJson = False,
) -> None:
    """Store one job and print its id."""
    if parameters == "-":
        parameters = _read_input()
    options = _options(delay, job_id)
    raw = _checked(parameters)
    if not name:
        raise WrongUsage("NAME is empty: give the name under which the job is registered")
    pushed = asyncio.run(_push(url, queue, JobName[msgspec.Raw](name, msgspec.Raw), raw, options))
    if json:
        print_json({"job_id": str(pushed)})
    else:
        say(str(pushed))


def _read_input() -> str:
    try:
        text = sys.stdin.read()
        text.encode()  # if the locale is C, Python lets bytes pass that are no text
        return text
    except UnicodeError as error:
        raise WrongUsage(f"standard input is not UTF-8 ({error}): write the parameters in UTF-8") from error


def _options(delay: str | None, job_id: str | None) -> JobOptions:
    try:
        return JobOptions(delay=None if delay is None else parse_duration(delay), job_id=job_id)
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
) -> JobID:
    async with open_queue(url, queue_key) as queue:
        return await queue.push(name, parameters, options=options)
