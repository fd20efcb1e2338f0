"""A Flask application that pushes, and is used while it is loaded, too."""

import os
import threading

from flask import Flask

from jobsvalkey import BlockingJobQueue, JobStatus
from tests.support.work import Work

app = Flask(__name__)
jobs = BlockingJobQueue.from_url(os.environ["URL"], queue_key=os.environ["QUEUE_KEY"])
jobs.push(Work(-1))


@app.post("/push/<int:number>")
def push(number: int) -> dict[str, str | int]:
    return {"id": str(jobs.push(Work(number))), "process": os.getpid(), "threads": loops()}


@app.get("/jobs/<job_id>")
def look(job_id: str) -> dict[str, str | None]:
    return {"status": jobs.status(job_id)}


@app.get("/pending")
def pending() -> dict[str, int]:
    return {"pending": jobs.counts()[JobStatus.PENDING]}


def loops() -> int:
    return sum(thread.name == "jobsvalkey" for thread in threading.enumerate())
