"""The scripts: one file an operation, behind a common prelude, called by the digest of the text."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a script, and the digest by which a server that has seen it knows it."""

    name: str
    text: str
    digest: str


def _load(name: str) -> Script:
    folder = files("jobsvalkey.valkey") / "scripts"
    text = (folder / "prelude.lua").read_text("utf-8") + "\n" + (folder / f"{name}.lua").read_text("utf-8")
    # The digest names a script; nothing secret depends on it.
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


ACQUIRE_LOCK: Final = _load("acquire_lock")
CANCEL: Final = _load("cancel")
CHANGE: Final = _load("change")
CLEANUP: Final = _load("cleanup")
CLOSE_WORKER: Final = _load("close_worker")
COUNTS: Final = _load("counts")
EXAMINE: Final = _load("examine")
EXCHANGE: Final = _load("exchange")
GET_METADATA: Final = _load("get_metadata")
PAGE: Final = _load("page")
PAUSE: Final = _load("pause")
PUSH: Final = _load("push")
PUSH_IF: Final = _load("push_if")
READ: Final = _load("read")
RECOVER: Final = _load("recover")
RELEASE_LOCK: Final = _load("release_lock")
RENEW: Final = _load("renew")
RESUME: Final = _load("resume")
SET_METADATA: Final = _load("set_metadata")
