"""The hook protocol, and the middleware that comes with the library."""

from jobsvalkey.middleware.metrics import MetricsMiddleware
from jobsvalkey.middleware.protocol import (
    CallNext,
    CompletedJob,
    JobOutcome,
    Middleware,
    PoppedJob,
    PushedJob,
)
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
