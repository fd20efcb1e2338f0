"""The conformance kit: checks any driver against the contract."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobsvalkey_conformance.context import ConformanceWarning
    from jobsvalkey_conformance.harness import (
        GARBLED,
        AnyDriver,
        Damage,
        DriverHarness,
        Hook,
        Observation,
        ObservedInput,
        ObservedJob,
        ObservedLine,
        ObservedName,
        ObservedWait,
    )
    from jobsvalkey_conformance.suite import DriverConformance

__all__ = [
    "GARBLED",
    "AnyDriver",
    "ConformanceWarning",
    "Damage",
    "DriverConformance",
    "DriverHarness",
    "Hook",
    "Observation",
    "ObservedInput",
    "ObservedJob",
    "ObservedLine",
    "ObservedName",
    "ObservedWait",
]

_MODULES = {"ConformanceWarning": "context", "DriverConformance": "suite"}


def __getattr__(name: str) -> object:
    # The pytest plugin is in this package, and every run of pytest imports it: the rest is left until it is used.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'harness')}"), name)


def __dir__() -> list[str]:
    # What is not there yet can be found, by completion and by the reference of the documentation.
    return __all__
