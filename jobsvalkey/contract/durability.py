"""The demand that a push makes on the store before it returns."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from jobsvalkey.contract.option_types import check_types


@dataclass(frozen=True, slots=True, kw_only=True)
class Durability:
    """Demands that a job is stored somewhere else, too, before its push returns: not only in the memory of one server.

    Raises:
        ValueError: nothing is demanded, or a value is out of range.
    """

    replicas: int = 0
    """How many replicas have to have it."""
    append_only_file: bool = False
    """Whether it has to be synced to the server's disk, and to the disks of that many replicas."""
    timeout: timedelta = timedelta(seconds=5)
    """How long that is waited for, from the moment when the job is stored: at least a millisecond."""

    def __post_init__(self) -> None:
        check_types(self)
        if self.replicas < 0:
            raise ValueError(f"replicas is a number from 0, not {self.replicas}")
        if not self.replicas and not self.append_only_file:
            raise ValueError("a durability demands something: replicas, append_only_file or both")
        if self.timeout < timedelta(milliseconds=1):
            raise ValueError(f"timeout is a millisecond at least, not {self.timeout}")


def strongest_durability(demands: Iterable[Durability | None]) -> Durability | None:
    """Return the demand that meets all of these; `None` if there is none."""
    all_of_them = [demand for demand in dict.fromkeys(demands) if demand is not None]
    if len(all_of_them) < 2:
        return all_of_them[0] if all_of_them else None
    return Durability(
        replicas=max(demand.replicas for demand in all_of_them),
        append_only_file=any(demand.append_only_file for demand in all_of_them),
        timeout=max(demand.timeout for demand in all_of_them),
    )
