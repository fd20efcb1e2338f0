"""The kinds of steps that the lives of a job are made of, and all sequences of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jobsvalkey.contract import Capability


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that can happen to a job: what it is called, from which state to which, and what is promised of it."""

    name: str
    before: str
    after: str
    promise: str
    needs: Capability | None = None

    @property
    def settlement(self) -> str | None:
        """The settlement of the claim that it ends with, if it does."""
        return SETTLEMENTS.get(self.name)

    @property
    def holder(self) -> str:
        """The worker that is to have the job: what happens to a worker happens to all of its claims."""
        return HOLDERS.get(self.name, STEADY)

    @property
    def is_aborted(self) -> bool:
        """Whether the end of the claim is asked for before."""
        return self.name.startswith("abort, ")


STEADY = "steady"
SETTLEMENTS = {
    "finish": "return",
    "fail": "fail",
    "keep": "keep",
    "retry": "retry",
    "retry later": "retry later",
    "release": "release",
    "cancelled by its handler": "cancel",
    "abort, release": "release",
    "abort, retry": "retry",
    "abort, finish": "return",
}
HOLDERS = {
    "closing": "closing",
    "recovery": "dying",
    "abort, recovery": "dying",
    "cleanup of orphans": "orphaning",
    "abort, cleanup of orphans": "orphaning",
    "cleanup of the running": "losing",
}
_ANEW = "exactly as it was claimed"
_FIELDS = "a new due time, `recoveries` and `reset_attempt` are cleared, an error that is given is recorded"
_RECOVERED = "a recovered job counts one recovery more, and goes back as it was"
_ENDS = "a job that was to be aborted is not run again: it ends as cancelled"
_GONE = "what is absent leaves nothing behind but its id, if that is to be remembered"
_RERUN = "due now, as new: without error, result, reports, recoveries and expiry, and `reset_attempt` is set"
_PUSHED = "a job that is pushed when its id is absent has what it is pushed with, and nothing else"
_END = "it has ended, with what the row says, and is kept as the policy and `keep_for` say"
KINDS = (
    # -- those that claim it first
    Kind("finish", "waits", "ended", _END),
    Kind("fail", "waits", "ended", _END),
    Kind("keep", "waits", "ended", "a failed job that is kept stays, whatever the policy says"),
    Kind("retry", "waits", "waits", _FIELDS),
    Kind("retry later", "waits", "waits", _FIELDS),
    Kind("release", "waits", "waits", _ANEW),
    Kind("cancelled by its handler", "waits", "ended", _END, Capability.ABORT),
    Kind("closing", "waits", "waits", "`close_worker` forgets the worker and releases its claims"),
    Kind("recovery", "waits", "waits", _RECOVERED),
    Kind("abort, release", "waits", "ended", _ENDS, Capability.ABORT),
    Kind("abort, retry", "waits", "ended", _ENDS, Capability.ABORT),
    Kind("abort, finish", "waits", "ended", "a job whose abort was asked for may finish as usual", Capability.ABORT),
    Kind("abort, recovery", "waits", "ended", _ENDS, Capability.ABORT),
    Kind("abort, cleanup of orphans", "waits", "ended", _ENDS, Capability.ABORT),
    Kind("cleanup of orphans", "waits", "waits", _RERUN, Capability.CLEANUP),
    Kind("cleanup of the running", "waits", "absent", _GONE, Capability.CLEANUP),
    # -- those of a job that waits
    Kind("cancel", "waits", "ended", _END, Capability.CANCEL),
    Kind("abort", "waits", "ended", "a job that waits is cancelled", Capability.ABORT),
    Kind("remove", "waits", "absent", _GONE, Capability.CLEANUP),
    Kind("pause, resume", "waits", "waits", "a job that is resumed is pending at its kept due time", Capability.RESUME),
    Kind("pause", "waits", "paused", "a paused job stays as it is, with its due time", Capability.RESUME),
    Kind("replace", "waits", "waits", "it gets the request, due time and options of the new job", Capability.UNIQUE),
    Kind("expiry", "waits", "ended", "the next exchange ends what has expired as cancelled", Capability.EXPIRY),
    Kind("resume", "paused", "waits", "a job that is resumed is pending at its kept due time", Capability.RESUME),
    Kind("cancel", "paused", "ended", _END, Capability.CANCEL),
    Kind("remove", "paused", "absent", _GONE, Capability.CLEANUP),
    Kind("replace", "paused", "paused", "whether it is paused stays", Capability.UNIQUE),
    Kind("expiry", "paused", "ended", "the next exchange ends what has expired as cancelled", Capability.EXPIRY),
    # -- those of one that has ended, and of one that is absent
    Kind("rerun", "ended", "waits", _RERUN, Capability.CLEANUP),
    Kind("remove", "ended", "absent", _GONE, Capability.CLEANUP),
    Kind("lapse", "ended", "absent", "a job beyond its retention is absent to every operation"),
    Kind("cleanup that reruns", "ended", "waits", _RERUN, Capability.CLEANUP),
    Kind("push alike", "absent", "waits", _PUSHED),
    Kind("push of the other life", "absent", "waits", _PUSHED),
)


def sequences(
    length: int, state: str, is_possible: Callable[[Kind], bool], *, is_kept: bool = True
) -> Iterator[tuple[Kind, ...]]:
    """All sequences of so many kinds, each from the state in which the one before it leaves the job.

    If it is not kept when it has ended, it is absent then, unless it is a failed job that is.
    """
    if state == "ended" and not is_kept:
        state = "absent"
    if length == 0:
        yield ()
        return
    for kind in KINDS:
        if kind.before == state and is_possible(kind):
            for rest in sequences(length - 1, kind.after, is_possible, is_kept=is_kept or kind.name == "keep"):
                yield (kind, *rest)
