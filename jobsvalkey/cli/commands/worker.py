"""`jobsvalkey worker`: run the jobs of a service."""

import asyncio
import logging
import sys
from typing import Annotated, Any

import typer

from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.cli.loading import load
from jobsvalkey.cli.options import Target
from jobsvalkey.cli.supervisor import Supervisor, leave_with_supervisor
from jobsvalkey.runtime import JobQueue, ProcessorOptions
from jobsvalkey.service import JobService


def worker(
    target: Target,
    processes: Annotated[int, typer.Option(min=1, help="How many processes; one that dies is started again.")] = 1,
    burst: Annotated[bool, typer.Option("--burst", help="End as soon as no job is due.")] = False,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the jobs of a service.

    SIGTERM and SIGINT stop it: running jobs may end. A second signal does not wait for them.
    """
    _configure_logging(log_level)
    queue: JobQueue[Any] = load(target, JobService, JobQueue)
    if processes == 1:
        leave_with_supervisor()
        asyncio.run(_run(queue, burst))
        return
    command = [sys.executable, "-m", "jobsvalkey.cli", "worker", target, "--log-level", log_level]
    if burst:
        command.append("--burst")
    if not asyncio.run(_supervise(command, processes, burst)):
        raise CommandFailed("a worker process did not end well: its last lines above say why")


async def _run(queue: JobQueue[Any], burst: bool) -> None:
    if isinstance(queue, JobService):
        await queue.run(burst=burst)
        return
    async with queue.driver:
        await queue.processor(ProcessorOptions(burst=burst, handle_signals=True)).run()


async def _supervise(command: list[str], processes: int, burst: bool) -> bool:
    return await Supervisor(command, processes, burst=burst).run()


def _configure_logging(level: str) -> None:
    levels = logging.getLevelNamesMapping()
    if level.upper() not in levels:
        raise typer.BadParameter(f"{level!r} is not debug, info, warning or error", param_hint="--log-level")
    # A service that sets up logging of its own keeps it: this does nothing then.
    logging.basicConfig(level=levels[level.upper()], format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
