"""The page of the lanes of a queue, and the change of what they may use."""

from typing import Final
from urllib.parse import urlencode

from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jobsvalkey.contract import Capability, ConfigurationError, LaneLimit
from jobsvalkey.dashboard.actions import Actions
from jobsvalkey.dashboard.queues import AnyQueue
from jobsvalkey.dashboard.site import Site, logger, url_of, user_of

_PAGE_SIZE: Final = 50
_HIGHEST: Final = 1_000_000


class Lanes:
    """Answers what is asked about lanes."""

    def __init__(self, site: Site, actions: Actions) -> None:
        self._site = site
        self._actions = actions

    async def page(self, request: Request) -> Response:
        """Some of the lanes that have jobs, and all limits."""
        name, queue = self._site.queue(request)
        _check(queue)
        try:
            page = await queue.driver.lanes(request.query_params.get("cursor") or None, limit=_PAGE_SIZE)
        except ValueError:
            raise HTTPException(400, "That is no place in the list: begin at its first page.") from None
        return self._site.render(
            request,
            "lanes.html",
            name=name,
            lanes=page.lanes,
            limits=await queue.lane_limits(),
            is_first="cursor" not in request.query_params,
            following=page.cursor and urlencode({"cursor": page.cursor}),
        )

    async def set_limit(self, request: Request) -> Response:
        """Let the lanes of a pattern run so many jobs at a time, or, without a number, as many as they like."""
        name, queue, form = await self._actions.posted(request)
        _check(queue)
        pattern, number = str(form.get("pattern", "")), str(form.get("concurrency", ""))
        if number and not (number.isascii() and number.isdigit() and 1 <= int(number) <= _HIGHEST):
            raise HTTPException(400, f"A limit is a whole number of jobs from 1 to {_HIGHEST:,}.")
        limit = (await queue.lane_limits()).get(pattern) if number else None
        if number:
            limit = replace(limit, concurrency=int(number)) if limit else LaneLimit(concurrency=int(number))
        try:
            await queue.set_lane_limit(pattern, limit)
        except (ValueError, ConfigurationError) as error:
            raise HTTPException(400, str(error)) from error
        limited = f"limited to {number} at a time" if number else "not limited any more"
        logger.info("%s: lanes %r of queue %s are %s", user_of(request).name, pattern, name, limited)
        return RedirectResponse(url_of(request, "lanes", queue=name), 303)


def _check(queue: AnyQueue) -> None:
    if Capability.LANES not in queue.driver.capabilities:
        raise HTTPException(404, "This queue's driver has no lanes.")
