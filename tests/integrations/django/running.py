"""Runs tasks in the process of the tests."""

import asyncio
from dataclasses import replace
from typing import Any

from django.tasks import TaskResultStatus

from jobsvalkey.integrations.django import JobsValkeyBackend
from jobsvalkey.integrations.django.queues import make_queue

READY, RUNNING, FAILED, SUCCESSFUL = TaskResultStatus


async def run(backend: JobsValkeyBackend, queue: str = "default", **options: Any) -> None:
    """Run whatever is due."""
    jobs = make_queue(backend.read_options, backend.place(queue))
    async with jobs.driver:
        await jobs.processor(replace(backend.read_options.processor, burst=True, **options)).run()


def run_one_by_one(backend: JobsValkeyBackend) -> None:
    asyncio.run(run(backend, num_workers=1))


def run_all(backend: JobsValkeyBackend) -> None:
    for queue in sorted(backend.queues):
        asyncio.run(run(backend, queue))
