"""A worker's description of itself in the store, which is shown with the workers of a queue."""

import os
import socket
from functools import cache

import msgspec


class About(msgspec.Struct, frozen=True):
    """The process that a worker runs in, and what it offers."""

    host: str
    process: int
    """The number of its process there."""
    version: str
    """That of this library."""
    slots: int
    """How many jobs it runs at the same time."""


def about(slots: int) -> bytes:
    """Describe a worker of this process, as JSON."""
    return msgspec.json.encode(About(socket.gethostname(), os.getpid(), _version(), slots))


@cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # takes long, and only workers need it

    try:
        return version("jobsvalkey")
    except PackageNotFoundError:
        return ""
