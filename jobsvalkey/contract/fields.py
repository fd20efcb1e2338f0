"""Fields of a job that not every driver supports: which capability each needs, and how a push without it is refused."""

from collections.abc import Sequence

from jobsvalkey.contract.claims import NewJob, Pushed, Refusal, RefusalKind, StoreOutcome
from jobsvalkey.contract.driver import Capability
from jobsvalkey.contract.job_id import JobID

_NEEDED = {
    "keep_for": Capability.RESULTS,
    "expires": Capability.EXPIRY,
    "priority": Capability.LANES,
    "lane": Capability.LANES,
    "unique": Capability.UNIQUE,
    "after": Capability.FLOWS,
    "if_failed": Capability.FLOWS,
    "batch": Capability.FLOWS,
    "durability": Capability.DURABILITY,
}
_ALL_NEEDED = frozenset(_NEEDED.values())
_PLAIN = NewJob(JobID(int=0), b"")


def refusals(items: Sequence[NewJob], capabilities: frozenset[Capability]) -> list[Pushed]:
    """Answer a push in which a job has a field that needs a missing capability; otherwise return nothing.

    A driver that returns these before it asks its store has stored nothing.
    """
    if capabilities >= _ALL_NEEDED:
        return []  # so it is with most drivers, and a step may have a thousand jobs
    missing = {name: capability for name, capability in _NEEDED.items() if capability not in capabilities}
    for item in items:
        for name, capability in missing.items():
            if getattr(item, name) != getattr(_PLAIN, name):
                message = (
                    f"job {item.job_id} has {name}, which needs the capability {capability.value!r}: "
                    "leave it out, or use a driver that supports it"
                )
                reason = Refusal(RefusalKind.UNSUPPORTED, message)
                return [Pushed(StoreOutcome.REFUSED, each.job_id, reason) for each in items]
    return []
