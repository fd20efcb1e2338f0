"""`jobsvalkey dashboard`: the dashboard as a program."""

import asyncio
import ipaddress
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any

import typer

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.errors import CommandFailed, WrongUsage
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, Url
from jobsvalkey.cli.output import say

USERS = "JOBSVALKEY_DASHBOARD_USERS"
"""The variable that names who may enter: not an option, which other users of the machine could read."""


def dashboard(
    url: Url = DEFAULT_URL,
    queue: Annotated[
        list[str] | None, typer.Option("--queue", help="A queue's key; may be given more than once.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 means any free port.")] = 8080,
    hide_parameters: Annotated[
        bool, typer.Option("--hide-parameters", help="Show neither parameters nor results.")
    ] = False,
) -> None:
    """Serve a dashboard for the browser: queues, jobs, errors; and cancel, abort, rerun, remove.

    It is for this machine only, unless JOBSVALKEY_DASHBOARD_USERS names who may enter:
    "NAME:PASSWORD:operator NAME:PASSWORD:viewer".
    """
    users = os.environ.get(USERS, "")
    if not users and not _is_loopback(host):
        raise WrongUsage(
            f"--host {host} can be reached from elsewhere: name who may enter in {USERS}, "
            "as NAME:PASSWORD:operator or NAME:PASSWORD:viewer, and put TLS in front"
        )
    asyncio.run(_serve(url, queue or [DEFAULT_QUEUE], host, port, users, hide_parameters=hide_parameters))


async def _serve(url: str, keys: Sequence[str], host: str, port: int, users: str, *, hide_parameters: bool) -> None:
    try:
        from jobsvalkey.dashboard import dashboard as make_dashboard  # an extra
        from jobsvalkey.dashboard.serving import serve
    except ImportError as error:
        raise CommandFailed(f"{error.name} is not installed: pip install 'jobsvalkey[dashboard]'") from error
    async with AsyncExitStack() as stack:
        queues = [await stack.enter_async_context(open_queue(url, key)) for key in dict.fromkeys(keys)]
        app = make_dashboard(queues, auth=_authentication(users), parameters="hide" if hide_parameters else "show")
        try:
            await serve(app, host, port, lambda address: say(f"the dashboard is at {address}"))
        except OSError as error:
            raise CommandFailed(f"cannot listen at {host}:{port}: {error.strerror}; choose another --port") from error


def _authentication(users: str) -> Any:
    from jobsvalkey.dashboard import Authentication, Role

    if not users:
        return None
    named: dict[str, dict[str, str]] = {role: {} for role in Role}
    for number, user in enumerate(users.split(), start=1):
        name, _, rest = user.partition(":")
        password, _, role = rest.rpartition(":")
        if role not in named:  # not from it: it may hold a password
            raise WrongUsage(f"{USERS}: entry {number} is not NAME:PASSWORD:operator or NAME:PASSWORD:viewer")
        named[role][name] = password
    try:
        return Authentication(operators=named[Role.OPERATOR], viewers=named[Role.VIEWER])
    except ValueError as error:
        raise WrongUsage(f"{USERS}: {error}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
