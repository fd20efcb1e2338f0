"""`manage.py jobsvalkey_worker`: runs tasks."""

import asyncio
from argparse import ArgumentParser
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.tasks import DEFAULT_TASK_BACKEND_ALIAS, task_backends
from django.tasks.exceptions import InvalidTaskBackend

from jobsvalkey.integrations.django.backend import JobsValkeyBackend
from jobsvalkey.integrations.django.outbox import Outbox
from jobsvalkey.integrations.django.queues import make_queue
from jobsvalkey.runtime import MultiQueueProcessor, ProcessorOptions
from jobsvalkey.runtime.signals import stop_signals


class Command(BaseCommand):
    """Runs tasks until it is stopped by SIGTERM, SIGINT or SIGHUP; a second signal does not wait for them."""

    help = "Run the tasks of a jobsvalkey backend."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--backend", default=DEFAULT_TASK_BACKEND_ALIAS, metavar="ALIAS", help="a backend in TASKS (%(default)s)"
        )
        parser.add_argument(
            "--queue", action="append", metavar="NAME", help="a queue to run, any number of times (all in QUEUES)"
        )
        parser.add_argument("--concurrency", type=int, metavar="N", help="how many tasks run at the same time")
        parser.add_argument("--burst", action="store_true", help="end as soon as no task is due")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run tasks.

        Raises:
            CommandError: the settings, or the options, do not fit.
        """
        backend = _find_backend(options["backend"])
        queues = _names_of_queues(backend, options["queue"])
        try:
            processor = backend.read_options.processor
            if options["concurrency"] is not None:
                processor = replace(processor, num_workers=options["concurrency"])
        except (ImproperlyConfigured, ValueError) as error:
            raise CommandError(str(error)) from error
        processor = replace(processor, burst=processor.burst or options["burst"], handle_signals=False)
        asyncio.run(self._run(backend, queues, processor))

    async def _run(self, backend: JobsValkeyBackend, queues: list[str], options: ProcessorOptions) -> None:
        async with AsyncExitStack() as stack:
            opened = [make_queue(backend.read_options, backend.place(name)) for name in queues]
            for queue in opened:
                await stack.enter_async_context(queue.driver)
            processor = MultiQueueProcessor(opened, options, weights=[1] * len(opened))
            stack.enter_context(stop_signals(processor.stop))
            listed = ", ".join(map(repr, queues))
            self.stdout.write(f"runs tasks of {listed} of {opened[0].driver.address}, {options.num_workers} at a time")
            aliases = [] if backend.read_options.outbox is None else [backend.read_options.outbox]
            relays = [Outbox(queue, using=alias).relay() for alias in aliases for queue in opened]
            if options.burst:
                for relay in relays:
                    while await relay.run_once():
                        pass
                relays = []
            beside = [asyncio.create_task(relay.run()) for relay in relays]
            try:
                await processor.run()
            finally:
                for relay in relays:
                    relay.stop()
                await asyncio.gather(*beside)


def _find_backend(alias: str) -> JobsValkeyBackend:
    try:
        backend: Any = task_backends[alias]
    except InvalidTaskBackend as error:
        raise CommandError(str(error)) from error
    if not isinstance(backend, JobsValkeyBackend):
        raise CommandError(f"TASKS[{alias!r}] is not a jobsvalkey backend: name one with --backend")
    return backend


def _names_of_queues(backend: JobsValkeyBackend, wanted: list[str] | None) -> list[str]:
    known = sorted(backend.queues)
    names = known if wanted is None else list(dict.fromkeys(wanted))
    if not names:
        raise CommandError("QUEUES is empty, which lets tasks use any queue: name those to run with --queue")
    for name in names:
        if known and name not in known:
            raise CommandError(f"there is no queue {name!r} in QUEUES: it has {', '.join(known)}")
    return names
