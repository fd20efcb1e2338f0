"""What an answer of the server that is an error means to the caller, in our own errors."""

from valkey.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
    ValkeyError,
)

from jobsvalkey.contract import ConfigurationError, JobsError, OperationRefused, StoreFull, WorkerClosed

# What a server answers while it starts, fails over, or runs somebody's long script: worth another attempt.
_PASSING = (BusyLoadingError, ClusterDownError, ReadOnlyError, TryAgainError)
_PASSING_CODES = ("BUSY", "LOADING", "MASTERDOWN", "NOREPLICAS", "READONLY", "UNKILLABLE")


def explain(error: ValkeyError, queue_key: str) -> JobsError | None:
    """The error of ours that a server's answer stands for; `None` where another attempt may help."""
    text = str(error)
    code, _, rest = text.partition(" ")
    if isinstance(error, AuthenticationError | AuthorizationError | NoPermissionError) or code in (
        "NOAUTH",
        "NOPERM",
        "WRONGPASS",
    ):
        return ConfigurationError(
            f"the server refuses the login or the command ({text}): check password, user and rights"
        )
    if not isinstance(error, ResponseError) or isinstance(error, _PASSING) or code in _PASSING_CODES:
        return None
    if code == "JOBSREFUSED":
        return OperationRefused(f"this numbered operation is not a repeat of the last one: {rest}")
    if code == "JOBSCLOSED":
        return WorkerClosed(f"worker {rest} is closed or was never opened: open a new one, with a new id")
    if code == "JOBSLOCK":
        return ConfigurationError(f"{rest}: use another key")
    if code == "JOBSTYPE" or "WRONGTYPE" in text:
        return ConfigurationError(
            f"a key of queue {queue_key!r} is in use for something else ({text.removeprefix('JOBSTYPE ')}): "
            "remove it, or take another queue_key"
        )
    if isinstance(error, OutOfMemoryError) or "OOM" in text:
        return StoreFull(
            "the server is out of memory (maxmemory), nothing was stored: give it more memory, or let fewer jobs wait"
        )
    if isinstance(error, AskError | ClusterCrossSlotError):
        if has_hash_tag(queue_key):
            return ConfigurationError(f"queue {queue_key!r} is on another node of the cluster, connect to that: {text}")
        return cluster_key(queue_key)
    return ConfigurationError(f"the server does not do what the driver needs: {text}")


def has_hash_tag(queue_key: str) -> bool:
    """Whether all keys that begin with `queue_key` lie in one slot of a cluster."""
    start = queue_key.find("{")
    return start >= 0 and queue_key.find("}", start) > start + 1


def cluster_key(queue_key: str) -> ConfigurationError:
    """On a cluster all keys of a queue have to lie in one slot."""
    tagged = "{" + queue_key.replace("{", "").replace("}", "") + "}"
    return ConfigurationError(
        f"on a cluster the queue key needs a hash tag, so that all its keys lie in one slot: "
        f"queue_key={tagged!r} instead of {queue_key!r}"
    )
