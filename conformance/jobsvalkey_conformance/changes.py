"""The calls that move one job from state to state."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from jobsvalkey.contract import FINISHED, Capability, JobStatus

ChangeName: TypeAlias = Literal["cancel", "pause", "resume", "rerun", "remove"]
CHANGES: Final[Mapping[ChangeName, Capability]] = {
    "cancel": Capability.CANCEL,
    "pause": Capability.RESUME,
    "resume": Capability.RESUME,
    "rerun": Capability.CLEANUP,
    "remove": Capability.CLEANUP,
}
"""The steps that can be done to one job, and the capabilities that they need."""
CHANGEABLE: dict[ChangeName, frozenset[JobStatus]] = {
    "cancel": frozenset({JobStatus.PENDING, JobStatus.PAUSED, JobStatus.WAITING}),
    "pause": frozenset({JobStatus.PENDING}),
    "resume": frozenset({JobStatus.PAUSED, JobStatus.WAITING}),
    "rerun": FINISHED,
    "remove": frozenset(JobStatus) - {JobStatus.PROCESSING},
}
"""The states of a job to which something can be done."""
