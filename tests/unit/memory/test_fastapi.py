"""The guide's word on FastAPI's test client: the queue is where the application runs, and jobs are run there."""

import warnings
from typing import Any

from fastapi import FastAPI

from jobsvalkey_memory import TwinQueue, assert_completed, assert_pushed, run_until_idle
from tests.unit.memory.jobs import App, SendEmail

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # newer versions would rather have another HTTP client
    from fastapi.testclient import TestClient


def test_jobs_run_through_the_portal_of_the_test_client(job_queue: TwinQueue) -> None:
    jobs, app = App(job_queue), FastAPI()

    @app.post("/users/{name}")
    async def create_user(name: str) -> None:
        await job_queue.push(SendEmail(name))

    with TestClient(app) as client:
        untyped: Any = client  # of the missing HTTP client, to the type checker
        assert untyped.post("/users/ada").status_code == 200
        assert_pushed(job_queue, SendEmail("ada"))
        assert client.portal is not None
        assert client.portal.call(run_until_idle, job_queue) == 1
    assert_completed(job_queue, SendEmail)
    assert (jobs.ran, create_user.__name__) == (["email ada 1"], "create_user")
