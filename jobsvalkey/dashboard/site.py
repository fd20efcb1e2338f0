"""The parts that all pages share: the queues, the templates, and who asks."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, cast
from urllib.parse import quote
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from msgspec import MsgspecError, Raw, to_builtins
from msgspec.json import decode, encode
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from jobsvalkey.contract import FINISHED, Capability, JobID, JobStatus
from jobsvalkey.dashboard import formats
from jobsvalkey.dashboard.access import Role, User
from jobsvalkey.dashboard.activity import SPANS
from jobsvalkey.dashboard.queues import AnyQueue, Shown
from jobsvalkey.runtime import JobRecord

logger: Final = logging.getLogger("jobsvalkey.dashboard")
ACTIONS: Final = {
    "cancel": Capability.CANCEL,
    "pause": Capability.RESUME,
    "resume": Capability.RESUME,
    "abort": Capability.ABORT,
    "rerun": Capability.CLEANUP,
    "remove": Capability.CLEANUP,
}
"""All that can be done to jobs, with what a driver needs for it."""


class Site:
    """One dashboard."""

    def __init__(self, queues: dict[str, AnyQueue], shown: Shown, title: str) -> None:
        self.queues = queues
        self.shown = shown
        self.title = title
        self._templates = Environment(
            loader=PackageLoader("jobsvalkey.dashboard"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            duration=formats.duration, moment=formats.moment, pretty=formats.pretty, short=formats.short
        )
        names: dict[str, Any] = self._templates.globals
        names.update(STATUSES=list(JobStatus), FINISHED=FINISHED, SPANS=SPANS, ago=formats.ago)

    def queue(self, request: Request) -> tuple[str, AnyQueue]:
        """The queue that a request is about, with its name.

        Raises:
            HTTPException: there is no such queue (404).
        """
        name = request.path_params["queue"]
        if name not in self.queues:
            raise HTTPException(404, "There is no such queue here.")
        return name, self.queues[name]

    def render(self, request: Request, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
        """The answer to a request: a page."""
        user = user_of(request)
        page = self._templates.get_template(template).render(
            title=self.title,
            queues=list(self.queues),
            user=user,
            is_operator=user.role is Role.OPERATOR,
            token=request.state.jobsvalkey_token,
            url=partial(url_of, request),
            shown=self.shown,
            **values,
        )
        return HTMLResponse(page, status_code)


def url_of(request: Request, name: str, /, **parameters: object) -> str:
    """The path of a page, percent-encoded, below wherever the dashboard is mounted."""
    quoted = {key: quote(str(value), safe="") for key, value in parameters.items()}
    # The host is the browser's word, and no part of a path may come from it.
    return Request({**request.scope, "headers": []}).url_for(name, **quoted).path


def user_of(request: Request) -> User:
    """Who makes a request."""
    user: User = request.state.jobsvalkey_user
    return user


def status_in(text: str) -> JobStatus:
    """The state that a word names.

    Raises:
        HTTPException: it does not name a state (404).
    """
    try:
        return JobStatus(text)
    except ValueError:
        raise HTTPException(404, "There is no such state.") from None


def job_id_in(text: str) -> JobID:
    """The id of a job that a text holds.

    Raises:
        HTTPException: it is not an id (404).
    """
    try:
        return JobID.parse(text)
    except ValueError:
        raise HTTPException(404, "That is not the id of a job.") from None


def actions_on(queue: AnyQueue, status: JobStatus) -> list[str]:
    """The names of what may be done to jobs in a state, as far as the driver can."""
    by_state = {
        JobStatus.PENDING: ("cancel", "pause", "remove"),
        JobStatus.PAUSED: ("resume", "cancel", "remove"),
        JobStatus.WAITING: ("resume", "cancel", "remove"),
        JobStatus.PROCESSING: ("abort",),
    }
    names = by_state.get(status, ("rerun", "remove"))
    return [name for name in names if ACTIONS[name] in queue.driver.capabilities]


def as_json(record: JobRecord, shown: Shown) -> bytes:
    """A job as it is shown, for programs."""
    error = record.error
    fields: dict[str, Any] = {name: getattr(record, name) for name in JobRecord.__slots__}
    fields |= {
        "error": error and {name: getattr(error, name) for name in ("type", "message", "traceback", "attempt")},
        "parameters": _document(shown.parameters(record)),
        "result": _document(shown.result(record)),
    }
    return encode(_plain(fields))


def _document(text: str | None) -> Raw | str | None:
    """JSON as it is; a text that is none as a text."""
    if text is None:
        return None
    try:
        decode(text)
    except (MsgspecError, RecursionError, ValueError):
        return text.encode("utf-8", "replace").decode()
    return Raw(text.encode())


def _plain(value: Any) -> Any:
    """Ids in upper case, spans in seconds, and names of fields in place of places."""
    match value:
        case timedelta():
            return value.total_seconds()
        case UUID():
            return str(value)
        case dict():
            return {_plain(name): _plain(part) for name, part in cast("dict[Any, Any]", value).items()}
        case list() | tuple() if not hasattr(cast("Any", value), "_fields"):
            return [_plain(part) for part in cast("Sequence[Any]", value)]
        case Raw() | str() | bool() | int() | float() | datetime() | None:
            return value
        case _:
            return _plain(to_builtins(value, builtin_types=(UUID, datetime, timedelta)))
