"""`jobsvalkey worker`: run the jobs of a service."""

import asyncio
import inspect
import logging
import sys
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from jobsvalkey.cli.collecting import loaded_for_good
from jobsvalkey.cli.errors import CommandFailed, WrongUsage
from jobsvalkey.cli.loading import load, opened
from jobsvalkey.cli.options import Targets
from jobsvalkey.cli.probing import NOWHERE, Probing, read_probes
from jobsvalkey.cli.reloading import Reloader, changes_in, check_watching
from jobsvalkey.cli.stopping import Stopping
from jobsvalkey.cli.supervisor import RECYCLED, Supervisor
from jobsvalkey.cli.terminal import TerminalFormatter
from jobsvalkey.contract import CleanupDriver
from jobsvalkey.runtime import JobQueue, ProcessorOptions
from jobsvalkey.runtime.multi_queue import check_weights
from jobsvalkey.service import JobService, ServiceHealth
from jobsvalkey.service.group import QueueMember, ServiceGroup

_LOGGER = logging.getLogger("jobsvalkey.worker")
_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_KINDS = (JobService, JobQueue)
_SAYS_THAT_IT_WAITS_AFTER = 2.0
"""Seconds."""


def worker(
    targets: Targets,
    processes: Annotated[int, typer.Option(min=1, help="How many processes; one that dies is started again.")] = 1,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="W,W",
            help="The share of each service in the jobs that start, such as 3,1; by default the order is strict.",
            show_default=False,
        ),
    ] = None,
    burst: Annotated[bool, typer.Option("--burst", help="End as soon as no job is due.")] = False,
    recycle_after: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Start a fresh process after N jobs.", show_default=False),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Answer /healthz, /readyz, /load and /metrics there; none overrides the service.",
            show_default=False,
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Restart at each change of a Python file in this folder.")
    ] = False,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the jobs of a service, or of several, which share the slots of one worker.

    SIGTERM, SIGINT and SIGHUP stop it: running jobs may end. A second signal does not wait for them.
    """
    level = _level(log_level)
    if twice := next((target for target in targets if targets.count(target) > 1), None):
        raise WrongUsage(f"{twice} is named twice: --weights is how to serve it more often")
    shares = _weights(weights, len(targets))
    probes = read_probes(http)
    if watch:
        if burst or http not in (None, NOWHERE):
            raise WrongUsage("--watch is for development: leave out --burst and --http")
        check_watching()
        probes = None  # the old workers, which still end, have the address
    stopping = Stopping()
    found = {target: load(target, *_KINDS) for target in targets}
    try:
        if not stopping.was_told:  # while a module was loaded, which swallowed it
            _configure_logging(level)
            if stopping.is_supervised or (processes == 1 and recycle_after is None and not watch):
                if _in_a_loop(stopping, _run(found, shares, burst, recycle_after, probes, stopping)):
                    raise typer.Exit(RECYCLED)
                return
            _check_supervised(found, processes, probes)
            command = [sys.executable, "-m", "jobsvalkey.cli", "worker", *found, "--log-level", log_level]
            command += _options(
                weights=shares, burst=burst, recycle_after=recycle_after, http=NOWHERE if watch else http
            )
            if not _in_a_loop(stopping, _supervise(command, processes, burst, watch, stopping)):
                raise CommandFailed("a worker process did not end well: its last lines above say why")
    finally:
        for each in found.values():
            if inspect.iscoroutine(each):
                each.close()  # of a supervisor, or of a process that was stopped before it came to that


def _check_supervised(found: Mapping[str, Any], processes: int, probes: Probing) -> None:
    """Check what every process would fail at, before any is started.

    Raises:
        CommandFailed: a service has no job.
        WrongUsage: several processes would answer probes at one address.
    """
    for target, each in found.items():
        if isinstance(each, JobQueue):
            _check_jobs(target, cast("JobQueue[Any]", each))
    own = any(isinstance(each, JobService) and each.http is not None for each in found.values())
    if processes > 1 and (probes not in (None, "own") or (probes == "own" and own)):
        raise WrongUsage(
            "probes are those of one process: run several commands, leave out --processes, or use --http none"
        )


def _options(
    *, weights: Sequence[float] | None, burst: bool, recycle_after: int | None, http: str | None
) -> Sequence[str]:
    """Return what a worker process is started with."""
    options: list[str] = []
    if weights is not None:
        options += ["--weights", ",".join(map(str, weights))]
    if burst:
        options.append("--burst")
    if recycle_after is not None:
        options += ["--recycle-after", str(recycle_after)]
    if http is not None:
        options += ["--http", http]
    return options


def _in_a_loop(stopping: Stopping, work: Coroutine[Any, Any, bool]) -> bool:
    try:
        stopping.hold()  # an event loop that is half made cannot be closed
        return asyncio.run(work)
    finally:
        work.close()


async def _run(
    found: Mapping[str, Any],
    weights: Sequence[float] | None,
    burst: bool,
    recycle_after: int | None,
    probes: Probing,
    stopping: Stopping,
) -> bool:
    """Run jobs; whether the process is to be replaced by a fresh one."""
    if stopping.release():
        return False
    async with AsyncExitStack() as stack:
        queues: list[JobQueue[Any]] = []
        jobs: list[list[str]] = []
        for target, each in found.items():
            queues.append(await stack.enter_async_context(opened(target, each, *_KINDS)))
            jobs.append(_check_jobs(target, queues[-1]))
        members = [queue if isinstance(queue, JobService) else QueueMember(queue) for queue in queues]
        try:
            group = ServiceGroup(members, weights=weights, http=probes)
        except ValueError as error:
            raise CommandFailed(f"{error}, such as --weights 2,1") from error
        options = members[0].processor_options
        for queue, names in zip(queues, jobs, strict=True):
            _say_what_runs(queue, options, names)
        with _said_if_it_waits(stopping, group.health), loaded_for_good():
            work = group.run(burst=burst, handle_signals=False, recycle_after=recycle_after)
            return await _until_stopped(work, group.stop, options, stopping)


async def _until_stopped(work: Any, stop: Any, options: ProcessorOptions, stopping: Stopping) -> bool:
    running: asyncio.Task[bool] = asyncio.create_task(work)
    await asyncio.sleep(0)  # it begins, so that it can be stopped
    stopping.attach(stop, options)
    return await running


@contextmanager
def _said_if_it_waits(stopping: Stopping, health: Callable[[], ServiceHealth]) -> Generator[None]:
    """Say so if the worker has not begun after a while: the driver tries for longer before it has an error to show."""

    def look() -> None:
        queues = health().queues
        if stopping.was_told or (queues and all(queues)):
            return
        if any(queues):
            text = "runs no job yet of %d of its %d queues: their servers do not answer so far"
            _LOGGER.warning(text, queues.count(False), len(queues))
        else:
            _LOGGER.warning("runs no job yet: the server does not answer so far, or the lifespan is still entered")

    timer = asyncio.get_running_loop().call_later(_SAYS_THAT_IT_WAITS_AFTER, look)
    try:
        yield
    finally:
        timer.cancel()


async def _supervise(command: list[str], processes: int, burst: bool, watch: bool, stopping: Stopping) -> bool:
    if stopping.release():
        return True
    if watch:
        return await Reloader(lambda: Supervisor(command, processes, burst=False), changes_in(Path.cwd())).run()
    return await Supervisor(command, processes, burst=burst).run()


def _check_jobs(target: str, queue: JobQueue[Any]) -> list[str]:
    """Return the names of the jobs that can run.

    Raises:
        CommandFailed: there is none, so that every job would fail.
    """
    own = {job.job.name for job in queue.driver.service_jobs} if isinstance(queue.driver, CleanupDriver) else set[str]()
    names = [name for name in queue.registered_jobs if name not in own]
    scheduled = {job.job.job.name for job in queue.schedule} if isinstance(queue, JobService) else set[str]()
    if not names and not scheduled & own:
        raise CommandFailed(
            f"{target} has no job registered, so that it would fail every job that it takes: register one with "
            "@service.task or @service.job(...), in this module or in one that it imports"
        )
    return names


def _say_what_runs(queue: JobQueue[Any], options: ProcessorOptions, jobs: list[str]) -> None:
    names = ", ".join(jobs) or "none but the driver's own"
    for each in queue.queues if isinstance(queue, JobService) else (queue,):
        driver = each.driver
        server = getattr(driver, "address", type(driver).__name__)
        key = getattr(driver.configuration, "queue_key", "")
        _LOGGER.info("runs queue %r of %s, %d jobs at a time: %s", key, server, options.num_workers, names)


def _weights(text: str | None, number: int) -> Sequence[float] | None:
    if text is None:
        return None
    try:
        return check_weights([float(weight) for weight in text.split(",")], number)
    except ValueError as error:
        text = f"{error}; write one number for each service, such as 3,1"
        raise typer.BadParameter(text, param_hint="--weights") from error


def _level(name: str) -> int:
    levels = logging.getLevelNamesMapping()
    if name.upper() not in levels:
        raise typer.BadParameter(f"{name!r} is not debug, info, warning or error", param_hint="--log-level")
    return levels[name.upper()]


def _configure_logging(level: int) -> None:
    # The user's module has been loaded: if it has set up logging, that stays as it is.
    if logging.getLogger("jobsvalkey").hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(TerminalFormatter(_FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    if root.level == logging.WARNING:  # nobody has set it
        root.setLevel(level)
