"""The jobs of a soak. Each marks a bit on the server as it ends well, which says whether one was lost."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from jobsvalkey import RetentionPolicy, retain_last

QUEUE_KEY = "soak"
DONE = "soaked"
"""The key of the bits."""
TASKS = "soaking"
"""The key under which workers tell how many tasks they have, by the numbers of their processes."""
KEEP = timedelta(seconds=2)
CONFIGURATION: dict[str, Any] = {
    "retention_policy": RetentionPolicy(failed_jobs=retain_last(100)),
    "idempotency_window": timedelta(seconds=2),
    "poll_time": timedelta(seconds=0.2),
}


@dataclass(frozen=True)
class Soaked:
    """A job of any kind; `fails` times it fails first."""

    job_name: ClassVar[str] = "Soaked"
    number: int
    fails: int = 0
    seconds: float = 0.0
    saves: bool = False


@dataclass(frozen=True)
class Returning:
    """A job whose result somebody waits for."""

    job_name: ClassVar[str] = "Returning"
    number: int


@dataclass(frozen=True)
class Failing:
    """A job that fails for good."""

    job_name: ClassVar[str] = "Failing"
    number: int
