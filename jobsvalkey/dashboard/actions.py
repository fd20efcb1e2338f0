"""The actions of operators: on the jobs that they have selected, on all that match, and on a queue."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import MultiDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from jobsvalkey.contract import AbortOutcome, Capability, JobID, JobStatus
from jobsvalkey.dashboard.access import TOKEN_HEADER, Role, may_post
from jobsvalkey.dashboard.notices import notice_query
from jobsvalkey.dashboard.pages import filters_of, page_of
from jobsvalkey.dashboard.queues import AnyQueue
from jobsvalkey.dashboard.site import Site, actions_on, job_id_in, logger, status_in, url_of, user_of

MOST_AT_ONCE: Final = 1000
"""Jobs that one request acts on."""
STEP: Final = 100
"""Jobs that one of many steps acts on."""
_LONGEST_FORM: Final = 200_000
"""Bytes: more than a thousand ids."""


class Actions:
    """Answers what is asked for with POST."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def confirm(self, request: Request) -> Response:
        """Ask whether it is meant, and say how many jobs it would be."""
        name, queue, form = await self.posted(request)
        status, action = _asked(queue, form)
        ids = [job_id_in(text) for text in form.getlist("id")][:MOST_AT_ONCE]
        filters = filters_of(form, can_search=self._site.shown.can_search)
        found, has_more = len(ids), False
        if matches := form.get("of") == "all":
            ids = []
            if filters:
                page = await page_of(queue, status, None, MOST_AT_ONCE, filters)
                found, has_more = len(page.records), page.cursor is not None
            else:
                found = (await queue.counts())[status]
        return self._site.render(
            request,
            "confirm.html",
            name=name,
            status=status,
            action=action,
            ids=ids,
            filters=filters,
            matches=matches,
            found=found,
            has_more=has_more,
        )

    async def act(self, request: Request) -> Response:
        """Do it to the jobs that are named."""
        name, queue, form = await self.posted(request)
        _, action = _asked(queue, form)
        ids = [job_id_in(text) for text in form.getlist("id")]
        if len(ids) > MOST_AT_ONCE:
            raise HTTPException(400, f"These are more than {MOST_AT_ONCE:,} jobs: select fewer, or all that match.")
        done = await self._act_on(request, name, queue, action, ids)
        if len(ids) == 1 and await queue.status(ids[0]) is not None:
            back = url_of(request, "job", queue=name, job_id=str(ids[0]))
        else:
            back = url_of(request, "jobs", queue=name, status=form["status"])
        return RedirectResponse(f"{back}?{notice_query(action, done, len(ids))}", 303)

    async def act_on_matching(self, request: Request) -> Response:
        """Do it to some of all that match, and say where to go on. The page repeats this, and may stop."""
        name, queue, form = await self.posted(request)
        status, action = _asked(queue, form)
        filters = filters_of(form, can_search=self._site.shown.can_search)
        page = await page_of(queue, status, form.get("cursor"), STEP, filters)
        done = await self._act_on(request, name, queue, action, [record.id for record in page.records])
        return JSONResponse({"done": done, "found": len(page.records), "cursor": page.cursor})

    async def pause_queue(self, request: Request) -> Response:
        """Let no worker claim a job of the queue."""
        return await self._set_paused(request, is_paused=True)

    async def resume_queue(self, request: Request) -> Response:
        """Let workers claim again."""
        return await self._set_paused(request, is_paused=False)

    async def _set_paused(self, request: Request, *, is_paused: bool) -> Response:
        name, queue, _ = await self.posted(request)
        if Capability.PAUSE_QUEUE not in queue.driver.capabilities:
            raise HTTPException(400, "This queue's driver cannot pause it.")
        await (queue.pause_queue() if is_paused else queue.resume_queue())
        verb = "paused" if is_paused else "resumed"
        logger.info("%s %s queue %s", user_of(request).name, verb, name)
        return RedirectResponse(url_of(request, "overview"), 303)

    async def _act_on(self, request: Request, name: str, queue: AnyQueue, action: str, ids: Sequence[JobID]) -> int:
        method, done = getattr(queue, action), 0
        for job_id in ids:
            answer = await method(job_id)
            if answer and answer is not AbortOutcome.NOTHING:
                done += 1
                logger.info("%s: %s job %s of queue %s", user_of(request).name, action, job_id, name)
        return done

    async def posted(self, request: Request) -> tuple[str, AnyQueue, MultiDict]:
        """The queue and the form of a request.

        Raises:
            HTTPException: the user may not act, or the form is not one of the dashboard's own pages (403).
        """
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LONGEST_FORM:
                raise HTTPException(413, "This form is too long.")
        form = MultiDict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        if not may_post(request, request.headers.get(TOKEN_HEADER, form.get("token", ""))):
            raise HTTPException(403, "This form is not from a page of this dashboard. Load the page again, and repeat.")
        if user_of(request).role is not Role.OPERATOR:
            raise HTTPException(403, "You may look, but not act.")
        return *self._site.queue(request), form


def _asked(queue: AnyQueue, form: MultiDict) -> tuple[JobStatus, str]:
    status, action = status_in(form.get("status", "")), str(form.get("action", ""))
    if action not in actions_on(queue, status):
        raise HTTPException(400, f"That cannot be done to jobs that are {status}.")
    return status, action
