"""The conformance kit: holds any driver against the contract."""

from typing import TYPE_CHECKING, Any

from jobsvalkey_conformance.harness import (
    GARBLED,
    AnyDriver,
    Damage,
    DriverHarness,
    Hook,
    Observation,
    ObservedJob,
)

if TYPE_CHECKING:
    from jobsvalkey_conformance.kit import ConformanceWarning
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
    "ObservedJob",
]


def __getattr__(name: str) -> Any:
    # Every run of pytest loads the kit's plugin, and this with it: the suite, and Hypothesis with it, only on demand.
    if name == "DriverConformance":
        from jobsvalkey_conformance.suite import DriverConformance

        return DriverConformance
    if name == "ConformanceWarning":
        from jobsvalkey_conformance.kit import ConformanceWarning

        return ConformanceWarning
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
