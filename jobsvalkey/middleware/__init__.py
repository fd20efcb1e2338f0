"""The hook protocol, and the middleware that comes with the library."""

from typing import TYPE_CHECKING

from jobsvalkey.middleware.protocol import (
    CallNext,
    CompletedJob,
    JobOutcome,
    Middleware,
    PoppedJob,
    PushedJob,
)

if TYPE_CHECKING:
    from jobsvalkey.middleware.metrics import MetricsMiddleware
    from jobsvalkey.middleware.tracing import TracingMiddleware

__all__ = [
    "CallNext",
    "CompletedJob",
    "JobOutcome",
    "MetricsMiddleware",
    "Middleware",
    "PoppedJob",
    "PushedJob",
    "TracingMiddleware",
]


def __getattr__(name: str) -> object:
    # OpenTelemetry takes a while to import, and only those that use it should wait for it.
    if name == "MetricsMiddleware":
        from jobsvalkey.middleware.metrics import MetricsMiddleware

        return MetricsMiddleware
    if name == "TracingMiddleware":
        from jobsvalkey.middleware.tracing import TracingMiddleware

        return TracingMiddleware
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
