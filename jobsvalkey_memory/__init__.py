"""The in-memory twin of the Valkey driver: for unit tests, and the specification of every driver."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobsvalkey_memory.clock import ManualClock
    from jobsvalkey_memory.queue import MemoryJobQueue
    from jobsvalkey_memory.store import MemoryStore
    from jobsvalkey_memory.testing import (
        Run,
        TwinQueue,
        assert_cancelled,
        assert_completed,
        assert_failed,
        assert_not_pushed,
        assert_pushed,
        inline,
        pushed,
        run_until_idle,
    )

__all__ = [
    "ManualClock",
    "MemoryJobQueue",
    "MemoryStore",
    "Run",
    "TwinQueue",
    "assert_cancelled",
    "assert_completed",
    "assert_failed",
    "assert_not_pushed",
    "assert_pushed",
    "inline",
    "pushed",
    "run_until_idle",
]

_MODULES = {"ManualClock": "clock", "MemoryJobQueue": "queue", "MemoryStore": "store"}


def __getattr__(name: str) -> object:
    # The pytest plugin is in this package, and every run of pytest imports it: the rest is left until it is used.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'testing')}"), name)


def __dir__() -> list[str]:
    # What is not there yet can be found, by completion and by the reference of the documentation.
    return __all__
