"""A plugin for Litestar: `pip install 'jobsvalkey[litestar]'`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.plugins import InitPlugin

from jobsvalkey.contract import ConfigurationError
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime import JobQueue
from jobsvalkey.service import JobService

__all__ = ["JobsPlugin"]


class JobsPlugin(InitPlugin):
    """Gives a queue to the handlers of an application, and closes its connections when the application ends.

    Args:
        queue: a `JobQueue`, or a `JobService`.
        dependency: the name of the handlers' parameter that gets the queue.
        run_jobs: whether the application runs the jobs, too; for a `JobService`. If not, a worker does.

    Raises:
        ConfigurationError: the jobs are to run, and there is no service.
    """

    __slots__ = ("_dependency", "_queue", "_run_jobs")

    def __init__(self, queue: JobQueue[Any], *, dependency: str = "jobs", run_jobs: bool = False) -> None:
        check_option("queue", queue, JobQueue)
        check_option("dependency", dependency, str)
        check_option("run_jobs", run_jobs, bool)
        if run_jobs and not isinstance(queue, JobService):
            raise ConfigurationError("a JobQueue runs nothing by itself: use a JobService, or leave out run_jobs")
        self._queue = queue
        self._dependency = dependency
        self._run_jobs = run_jobs

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the dependency and the lifespan."""
        if self._dependency in app_config.dependencies:
            raise ConfigurationError(
                f"the application has a dependency {self._dependency!r} already: "
                "give JobsPlugin(dependency=...) another name"
            )
        app_config.dependencies[self._dependency] = Provide(lambda: self._queue, sync_to_thread=False)
        app_config.signature_types = [*app_config.signature_types, JobQueue, JobService]
        cast(Any, app_config).lifespan.append(self._lifespan)  # its declared type leaves parameters out
        return app_config

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncGenerator[None]:
        # A service closes its driver itself, when its jobs have ended.
        async with self._queue if isinstance(self._queue, JobService) and self._run_jobs else self._queue.driver:
            yield
