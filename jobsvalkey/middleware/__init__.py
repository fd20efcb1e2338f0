"""The hook protocol, and the middleware that comes with the library."""

from jobsvalkey.middleware.protocol import (
    CallNext,
    CompletedJob,
    JobOutcome,
    Middleware,
    PoppedJob,
    PushedJob,
)

__all__ = ["CallNext", "CompletedJob", "JobOutcome", "Middleware", "PoppedJob", "PushedJob"]
