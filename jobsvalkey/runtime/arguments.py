"""Checks of the arguments of a queue, and of jobs that are pushed together."""

from collections.abc import Iterable, Mapping
from typing import Any, cast


def check_driver(driver: object) -> None:
    """Raise `TypeError` unless it is a driver."""
    if isinstance(driver, type) or not all(hasattr(driver, name) for name in ("capabilities", "push", "exchange")):
        raise TypeError(
            f"a queue takes a driver, such as ValkeyJobQueue(Valkey.from_url(...)), not {driver!r}: "
            "a client goes into the driver"
        )


def check_middleware(middleware: Any) -> None:
    """Raise `TypeError` unless it is a list of middleware."""
    if isinstance(middleware, str) or not isinstance(middleware, Iterable):
        raise TypeError(f"middleware is a list, such as [MetricsMiddleware()], not {middleware!r}")
    for each in cast("Iterable[object]", middleware):
        if isinstance(each, type) or not hasattr(each, "on_completed"):
            raise TypeError(f"each middleware is an object of a subclass of Middleware, not {each!r}")


def check_jobs(jobs: object) -> None:
    """Raise `TypeError` unless it is a list of jobs."""
    if not isinstance(jobs, Iterable) or isinstance(jobs, str | bytes | Mapping):
        raise TypeError(f"push_many takes a list of jobs, or another iterable of them, not {jobs!r}")
