"""The conformance kit: holds any driver against the contract."""

from jobsvalkey_conformance.harness import (
    GARBLED,
    AnyDriver,
    Damage,
    DriverHarness,
    Hook,
    Observation,
    ObservedJob,
)

__all__ = [
    "GARBLED",
    "AnyDriver",
    "Damage",
    "DriverHarness",
    "Hook",
    "Observation",
    "ObservedJob",
]
