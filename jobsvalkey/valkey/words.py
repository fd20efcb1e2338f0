"""The words that each script is called with, by the names that its header gives them, and in that order."""

from typing import NamedTuple

from jobsvalkey.contract import WorkerID


class Abort(NamedTuple):
    """The words of `abort`."""

    id: str


class AcquireLock(NamedTuple):
    """The words of `acquire_lock`; `duration` is in microseconds."""

    name: str
    holder: bytes
    duration: int


class Cancel(NamedTuple):
    """The words of `cancel`."""

    id: str


class CloseBatch(NamedTuple):
    """The words of `close_batch`."""

    id: str


class Change(NamedTuple):
    """The words of `change`; `action` is `rerun` or `remove`."""

    action: str
    id: str


class Cleanup(NamedTuple):
    """The words of `cleanup`; `least_age`, `only_orphans` and `as_of` are in microseconds."""

    wanted: str
    action: str
    least_age: int | str
    only_orphans: int | str
    except_for: str
    as_of: int | str
    max_jobs: int
    position: bytes


class CloseWorker(NamedTuple):
    """The words of `close_worker`."""

    worker: WorkerID


class Exchange(NamedTuple):
    """The words of `exchange` that stand before its settlements."""

    worker: WorkerID
    sequence: int
    limit: int
    max_bytes: int
    call: str
    is_repeat: str


class GetMetadata(NamedTuple):
    """The words of `get_metadata`."""

    name: str


class Lanes(NamedTuple):
    """The words of `lanes`; `has_cursor` is `1` or empty."""

    has_cursor: str
    cursor: str
    size: int


class Page(NamedTuple):
    """The words of `page`; `order` is `first` or `last`."""

    state: str
    order: str
    size: int
    after_score: bytes
    after_id: bytes


class Pause(NamedTuple):
    """The words of `pause`."""

    id: str


class PauseQueue(NamedTuple):
    """The words of `pause_queue`; `paused` is `1` to pause, and empty to resume."""

    paused: str


class PushIf(NamedTuple):
    """The words of `push_if` that stand before its job."""

    name: str
    has_expected: str
    expected: bytes
    value: bytes


class Read(NamedTuple):
    """The words of `read` that stand before its ids."""

    with_requests: str


class Recover(NamedTuple):
    """The words of `recover`; `grace` is in microseconds."""

    max_jobs: int
    grace: int
    asker: WorkerID


class ReleaseLock(NamedTuple):
    """The words of `release_lock`."""

    name: str
    holder: bytes


class Renew(NamedTuple):
    """The words of `renew`; `hold` is in microseconds, `open` is `1` or `a` with a description, or empty."""

    worker: WorkerID
    hold: int
    open: bytes
    leaving: str
    listener: str


class Resume(NamedTuple):
    """The words of `resume`."""

    id: str


class SetLaneLimit(NamedTuple):
    """The words of `set_lane_limit`; `limit` is empty for none."""

    pattern: str
    limit: str


class SetMetadata(NamedTuple):
    """The words of `set_metadata`."""

    name: str
    value: bytes
