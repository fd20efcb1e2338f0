"""The page of the lanes of a queue, and the change of what they may use."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jobsvalkey.contract import Capability, ConfigurationError, LaneLimit
from jobsvalkey.dashboard.actions import Actions
from jobsvalkey.dashboard.formats import duration
from jobsvalkey.dashboard.queues import AnyQueue
from jobsvalkey.dashboard.site import Site, logger, url_of, user_of

_PAGE_SIZE: Final = 50


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
            in_words=in_words,
            is_first="cursor" not in request.query_params,
            following=page.cursor and urlencode({"cursor": page.cursor}),
        )

    async def set_limit(self, request: Request) -> Response:
        """Set what each lane of a pattern may use, or take its limit away."""
        name, queue, form = await self._actions.posted(request)
        _check(queue)
        pattern = str(form.get("pattern", ""))
        try:
            limit = None if form.get("remove") else _limit_in(form)
            await queue.set_lane_limit(pattern, limit)
        except (ValueError, ConfigurationError) as error:
            raise HTTPException(400, str(error)) from error
        limited = f"limited to {in_words(limit)}" if limit else "not limited any more"
        logger.info("%s: lanes %r of queue %s are %s", user_of(request).name, pattern, name, limited)
        return RedirectResponse(url_of(request, "lanes", queue=name), 303)


def in_words(limit: LaneLimit) -> str:
    """Return what a lane may use: `2 at a time, 100 in 1 min`."""
    parts = list[str]()
    if limit.concurrency is not None:
        parts.append(f"{limit.concurrency:,} at a time")
    if limit.rate is not None:
        parts.append(f"{limit.rate[0]:,} in {duration(limit.rate[1])}")
    return ", ".join(parts)


def _limit_in(form: Mapping[str, object]) -> LaneLimit:
    """Return the limit that a form asks for.

    Raises:
        ValueError: it makes no sense.
    """
    concurrency, number = _number_in(form, "concurrency"), _number_in(form, "number")
    seconds = str(form.get("seconds", ""))
    if (number is None) is not (seconds == ""):
        raise ValueError("A rate is a number of jobs and a time in seconds: give both, or neither.")
    if number is None:
        return LaneLimit(concurrency)
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,6})?", seconds):
        raise ValueError("The time of a rate is in seconds, up to 86,400, such as 60 or 0.5.")
    return LaneLimit(concurrency, (number, timedelta(seconds=float(seconds))))


def _number_in(form: Mapping[str, object], name: str) -> int | None:
    text = str(form.get(name, ""))
    if text and not re.fullmatch("0*[1-9][0-9]{0,6}", text):
        raise ValueError("A limit is a whole number of jobs, above zero, such as 3.")
    return int(text) if text else None


def _check(queue: AnyQueue) -> None:
    if Capability.LANES not in queue.driver.capabilities:
        raise HTTPException(404, "This queue's driver has no lanes.")
