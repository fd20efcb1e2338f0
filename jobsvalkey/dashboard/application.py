"""The dashboard as an ASGI application."""

from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from jobsvalkey.contract import ConfigurationError, StoreUnavailable
from jobsvalkey.dashboard.access import Authentication
from jobsvalkey.dashboard.actions import Actions
from jobsvalkey.dashboard.guard import Guard
from jobsvalkey.dashboard.lanes import Lanes
from jobsvalkey.dashboard.pages import Pages
from jobsvalkey.dashboard.queues import Parameters, Queues, Shown, by_name
from jobsvalkey.dashboard.site import Site


def dashboard(
    queues: Queues,
    *,
    auth: Authentication | None = None,
    parameters: Parameters = "show",
    title: str = "jobsvalkey",
) -> Starlette:
    """Make the dashboard: an ASGI application, to be served by itself or mounted in another one.

    It uses the drivers of the queues, and does not close them. Their retention policies decide which ended jobs are
    shown, so use the same policy as your workers.

    Args:
        queues: one queue, a list of queues, or a mapping from the names to show to the queues. A `JobService` has a
            page for its schedules.
        auth: who may look and act. `None` means anybody, but only on this machine: requests from elsewhere, or through
            a proxy, are refused.
        parameters: `"show"`; `"hide"`; or a function that takes a `JobRecord` and returns what to show instead of its
            parameters. Unless it is `"show"`, jobs cannot be searched for a text, and results are hidden.
        title: the title of each page.

    Raises:
        ConfigurationError: there is no queue, two have the same name, or a driver cannot be looked into.
        ValueError: `parameters` is none of these.
    """
    site = Site(by_name(queues), Shown(parameters), title)
    pages, actions = Pages(site), Actions(site)
    lanes = Lanes(site, actions)

    def failed(request: Request, error: Exception) -> Response:
        code, text = 503, "The server of this queue does not answer."
        if request.method == "POST":
            text += " Part of what was asked may have been done: go back, and look."
        else:
            text += " This page tries again by itself."
        if isinstance(error, HTTPException):
            code, text = error.status_code, error.detail
        elif isinstance(error, ConfigurationError):
            code, text = 500, str(error)
        again = code == 503 and request.method != "POST"
        return site.render(request, "error.html", status_code=code, code=code, text=text, tries_again=again)

    handlers: dict[Any, Any] = dict.fromkeys((HTTPException, StoreUnavailable, ConfigurationError), failed)
    post = ["POST"]
    return Starlette(
        routes=[
            Route("/", pages.overview, name="overview"),
            Route("/live", pages.live, name="live"),
            Mount("/static", StaticFiles(directory=str(files("jobsvalkey.dashboard") / "static")), name="static"),
            Route("/queue/{queue:path}/jobs/{status}", pages.jobs, name="jobs"),
            Route("/queue/{queue:path}/job/{job_id}.json", pages.job_json, name="job_json"),
            Route("/queue/{queue:path}/job/{job_id}", pages.job, name="job"),
            Route("/queue/{queue:path}/schedules", pages.schedules, name="schedules"),
            Route("/queue/{queue:path}/workers", pages.workers, name="workers"),
            Route("/queue/{queue:path}/lanes", lanes.page, name="lanes"),
            Route("/queue/{queue:path}/lane-limit", lanes.set_limit, methods=post, name="lane_limit"),
            Route("/queue/{queue:path}/activity", pages.activity, name="activity"),
            Route("/queue/{queue:path}/confirm", actions.confirm, methods=post, name="confirm"),
            Route("/queue/{queue:path}/act", actions.act, methods=post, name="act"),
            Route("/queue/{queue:path}/act-on-matching", actions.act_on_matching, methods=post, name="act_on_matching"),
            Route("/queue/{queue:path}/pause", actions.pause_queue, methods=post, name="pause_queue"),
            Route("/queue/{queue:path}/resume", actions.resume_queue, methods=post, name="resume_queue"),
        ],
        middleware=[Middleware(Guard, authentication=auth)],
        exception_handlers=handlers,
    )
