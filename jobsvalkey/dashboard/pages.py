"""The pages that show something. None of them changes anything."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from jobsvalkey.contract import Activity, Capability, JobsError, JobStatus, SystemClock
from jobsvalkey.dashboard.activity import SPANS, Doings, doings
from jobsvalkey.dashboard.notices import notice_in
from jobsvalkey.dashboard.queues import AnyQueue
from jobsvalkey.dashboard.site import Site, actions_on, as_json, job_id_in, status_in, url_of
from jobsvalkey.runtime import JobRecord
from jobsvalkey.runtime.flow_tree import lines_of, look_at_flow
from jobsvalkey.scheduling import ScheduledJob
from jobsvalkey.service import JobService

PAGE_SIZE: Final = 50
LIVE_EVERY: Final = 2.0
"""Seconds between two looks that a page shows live."""
_FLOW: Final = 100
"""Jobs of a flow that the page of one of them shows."""


class Pages:
    """Answers what is asked for with GET."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def overview(self, request: Request) -> Response:
        """All queues: how many jobs are in each state, and how much there is to do."""
        queues = self._site.queues
        looks = await asyncio.gather(*map(_look, queues.values()))
        summed = await asyncio.gather(*(_doings(queue, 1, 24) for queue in queues.values()))
        return self._site.render(
            request,
            "overview.html",
            looks=dict(zip(queues, looks, strict=True)),
            doings=dict(zip(queues, summed, strict=True)),
        )

    async def live(self, request: Request) -> Response:
        """The same numbers, again and again, until the browser goes away."""

        async def events() -> AsyncGenerator[str]:
            while not await request.is_disconnected():
                try:
                    looks = await asyncio.gather(*map(_look, self._site.queues.values()))
                    numbers = dict(zip(self._site.queues, looks, strict=True))
                except JobsError:
                    numbers = None
                yield f"data: {json.dumps(numbers)}\n\n"
                await asyncio.sleep(LIVE_EVERY)

        return StreamingResponse(events(), media_type="text/event-stream")

    async def jobs(self, request: Request) -> Response:
        """Some of the jobs in a state."""
        name, queue = self._site.queue(request)
        status = status_in(request.path_params["status"])
        if wanted := request.query_params.get("job", "").strip():
            return RedirectResponse(url_of(request, "job", queue=name, job_id=str(job_id_in(wanted))), 303)
        filters = filters_of(request.query_params, can_search=self._site.shown.can_search)
        page = await page_of(queue, status, request.query_params.get("cursor"), PAGE_SIZE, filters)
        following = {**filters, "cursor": page.cursor} if page.cursor else None
        return self._site.render(
            request,
            "jobs.html",
            name=name,
            status=status,
            counts=await queue.counts(),
            page=page,
            now=queue.driver.clock.now(),
            filters=filters,
            has_lanes=Capability.LANES in queue.driver.capabilities,
            is_first="cursor" not in request.query_params,
            following=following and urlencode(following),
            actions=actions_on(queue, status),
            notice=notice_in(request),
        )

    async def job(self, request: Request) -> Response:
        """One job."""
        name, queue, record = await self._found(request)
        flow = await look_at_flow(queue, record.id, _FLOW) if record.after else {}
        return self._site.render(
            request,
            "job.html",
            name=name,
            job=record,
            flow=list(lines_of(record.id, flow)) if flow.get(record.id) else [],
            has_more=any(parent not in flow for each in flow.values() if each for parent in each.after),
            now=queue.driver.clock.now(),
            actions=actions_on(queue, record.status),
            notice=notice_in(request),
        )

    async def job_json(self, request: Request) -> Response:
        """One job, for programs."""
        _, _, record = await self._found(request)
        return Response(as_json(record, self._site.shown), media_type="application/json")

    async def schedules(self, request: Request) -> Response:
        """The scheduled jobs of a service, with what fires next."""
        name, queue = self._site.queue(request)
        if not isinstance(queue, JobService):
            raise HTTPException(404, "This queue has no schedule here: give the dashboard its JobService.")
        now = SystemClock().now()
        scheduled: list[ScheduledJob] = sorted(queue.schedule, key=lambda job: job.schedule.next_after(now).timestamp())
        return self._site.render(request, "schedules.html", name=name, scheduled=scheduled, now=now)

    async def workers(self, request: Request) -> Response:
        """The workers of a queue."""
        name, queue = self._site.queue(request)
        workers, now = await queue.workers(), queue.driver.clock.now()
        return self._site.render(request, "workers.html", name=name, workers=workers, now=now)

    async def activity(self, request: Request) -> Response:
        """Plots of the work of the last hours."""
        name, queue = self._site.queue(request)
        wanted = request.query_params.get("hours", "1")
        if wanted not in map(str, SPANS):
            raise HTTPException(400, f"The last hours that can be shown are {', '.join(map(str, SPANS))}.")
        hours = int(wanted)
        (done,) = await _doings(queue, hours) or (None,)
        return self._site.render(request, "activity.html", name=name, hours=hours, done=done)

    async def _found(self, request: Request) -> tuple[str, AnyQueue, JobRecord]:
        name, queue = self._site.queue(request)
        record = await queue.get(job_id_in(request.path_params["job_id"]))
        if record is None:
            raise HTTPException(404, "There is no such job. It has ended and was not kept, or it was removed.")
        return name, queue, record


async def _doings(queue: AnyQueue, *hours: int) -> list[Doings] | None:
    """Sum up the last hours, for each number of them; `None` if nothing was counted in the most."""
    if Capability.ACTIVITY not in queue.driver.capabilities:
        return None
    now = queue.driver.clock.now()
    minutes: list[Activity] = await queue.activity(since=now - timedelta(hours=max(hours)))
    return [doings(minutes, now, each) for each in hours] if minutes else None


async def _look(queue: AnyQueue) -> dict[str, Any]:
    counts, load = await asyncio.gather(queue.counts(), queue.load())
    waits = load.oldest_due or timedelta(0)
    return {
        **{status.value: counts[status] for status in JobStatus},
        "due": load.due,
        "delayed": load.delayed,
        "workers": load.workers,
        "waits": waits.total_seconds(),
        "is_paused": load.is_paused,
        "has_schedule": isinstance(queue, JobService),
        "has_lanes": Capability.LANES in queue.driver.capabilities,
        "can_pause": Capability.PAUSE_QUEUE in queue.driver.capabilities,
    }


def filters_of(given: Any, *, can_search: bool) -> dict[str, str]:
    """The name, the lane and the text by which jobs are chosen, as far as they are given."""
    wanted = ("name", "lane", "contains") if can_search else ("name", "lane")
    return {name: given[name] for name in wanted if given.get(name)}


async def page_of(queue: AnyQueue, status: JobStatus, cursor: str | None, limit: int, filters: dict[str, str]) -> Any:
    """Some of the jobs in a state.

    Raises:
        HTTPException: the cursor is not valid (400).
    """
    try:
        return await queue.page(status, cursor=cursor or None, limit=limit, **filters)
    except ValueError:
        raise HTTPException(400, "That is no place in the list: begin at its first page.") from None
