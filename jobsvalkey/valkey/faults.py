"""Translates errors that the server answers into errors of the library."""

import re
from typing import Final

from valkey.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterCrossSlotError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ResponseError,
    ValkeyError,
)

from jobsvalkey.contract import ConfigurationError, JobsError, OperationRefused, StoreFull, WorkerClosed

# Only what surely needs somebody's hand is told at once. All else may heal by itself, codes that nobody here knows too:
# a server starts, fails over, waits for its disk or its replicas; a proxy before it has lost it for a moment.
_RIGHTS: Final = ("NOAUTH", "NOPERM", "WRONGPASS")
_RIGHTS_IN_SCRIPTS: Final = re.compile(r"ACL failure|can't run this command|can't access")
_NODES: Final = ("CROSSSLOT", "MOVED")
_UNABLE: Final = re.compile(
    r"unknown (sub)?command|wrong number of arguments|syntax error|called from script|compiling script"
    r"|running script \(|user_script:\d+: |DB index|invalid DB|unsupported protocol|^DENIED",
    re.IGNORECASE,
)


def explain(error: ValkeyError, queue_key: str) -> JobsError | None:
    """The error of ours that a server's answer stands for; `None` if another attempt may help."""
    text = str(error)
    shown = without_login(text)
    code, _, rest = text.partition(" ")
    if (
        isinstance(error, AuthenticationError | AuthorizationError | NoPermissionError)
        or code in _RIGHTS
        or _RIGHTS_IN_SCRIPTS.search(text)
    ):
        return no_rights(shown)
    if not isinstance(error, ResponseError):
        return None
    if code == "JOBSREFUSED":
        return OperationRefused(f"this numbered operation is not a repeat of the last one: {rest}")
    if code == "JOBSCLOSED":
        return WorkerClosed(f"worker {rest} is closed or was never opened: open a new one, with a new id")
    if code == "JOBSLAYOUT":
        return newer_layout(queue_key, rest)
    if code == "JOBSLOCK":
        return ConfigurationError(f"{rest}: use another key")
    if code == "JOBSTYPE" or "WRONGTYPE" in text:
        return ConfigurationError(
            f"a key of queue {queue_key!r} is in use for something else ({text.removeprefix('JOBSTYPE ')}): "
            "remove it, or take another queue_key"
        )
    if isinstance(error, OutOfMemoryError) or code == "OOM":
        return StoreFull(
            "the server is out of memory (maxmemory), nothing was stored: give it more memory, or let fewer jobs wait"
        )
    if isinstance(error, MovedError | ClusterCrossSlotError) or code in _NODES:
        if has_hash_tag(queue_key):
            return ConfigurationError(
                f"queue {queue_key!r} is on another node of the cluster ({shown}): give the driver a ValkeyCluster"
            )
        return cluster_key(queue_key)
    if _UNABLE.search(text):
        return ConfigurationError(f"the server does not do what the driver needs: {shown}")
    return None


def without_login(text: str) -> str:
    """A message without what stands before an `@`: that may be a user and a password."""
    return re.sub(r"\S*@(?=\S)", "", text)


def no_rights(text: str) -> ConfigurationError:
    """The user may not do what is asked."""
    return ConfigurationError(f"the server refuses the login or the command ({text}): check password, user and rights")


def newer_layout(queue_key: str, layout: str) -> ConfigurationError:
    """The queue's keys say that it was used with features that this version does not know."""
    return ConfigurationError(
        f"queue {queue_key!r} was written by a newer version of jobsvalkey (layout {layout}): upgrade this one"
    )


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
