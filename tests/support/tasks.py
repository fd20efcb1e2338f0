"""Jobs of worker processes that are killed or told to stop."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Killer:
    """Kills its own process after a while."""

    job_name: ClassVar[str] = "Killer"
    seconds: float


@dataclass(frozen=True)
class Long:
    """Runs for a while, and ends when it is cancelled."""

    job_name: ClassVar[str] = "Long"
    seconds: float


@dataclass(frozen=True)
class Deaf:
    """Does not end, whatever happens."""

    job_name: ClassVar[str] = "Deaf"


@dataclass(frozen=True)
class Blocking:
    """Sits in a thread for a while."""

    job_name: ClassVar[str] = "Blocking"
    seconds: float


@dataclass(frozen=True)
class Stepping:
    """Kills its process just after a step is done, and returns who did the step, and who came to the end."""

    job_name: ClassVar[str] = "Stepping"


@dataclass(frozen=True)
class Woven:
    """Returns its number, once it was told the numbers of its parents; or fails, if it is to."""

    job_name: ClassVar[str] = "Woven"
    number: int
    parents: tuple[int, ...] = ()
    fails: bool = False


@dataclass(frozen=True)
class Gathering:
    """Returns how its parents have ended, each time that it runs to its end."""

    job_name: ClassVar[str] = "Gathering"
