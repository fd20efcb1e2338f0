"""Runs tasks in the process of the tests."""

import asyncio
from dataclasses import replace

from django.tasks import TaskResultStatus

from jobsvalkey.integrations.django import JobsValkeyBackend
from jobsvalkey.integrations.django.queues import make_queue

READY, RUNNING, FAILED, SUCCESSFUL = TaskResultStatus


async def run(backend: JobsValkeyBackend, queue: str = "default") -> None:
    """Run whatever is due."""
    jobs = make_queue(backend.read_options, backend.place(queue))
    async with jobs.driver:
        await jobs.processor(replace(backend.read_options.processor, burst=True)).run()


def run_all(backend: JobsValkeyBackend) -> None:
    for queue in sorted(backend.queues):
        asyncio.run(run(backend, queue))
