"""A worker remembers the jobs that it has settled."""

import gc

from jobsvalkey.contract import Fail, Finish, JobID, Release, Settlement, new_job_id
from jobsvalkey.runtime.settled import REMEMBERED, Settled


def _settle(settled: Settled, *settlements: Settlement) -> frozenset[bytes]:
    settled.add(settlements)
    return frozenset(each.token for each in settlements)


def test_what_the_store_has_forgotten_is_settled_again_once() -> None:
    """Without what was too large to be kept."""
    settled, ids = Settled(), [new_job_id() for _ in range(3)]
    completed = Finish(ids[0], b"1")
    tokens = _settle(settled, completed, Finish(ids[1], b"2", b"result"), Fail(ids[2], b"3", b"error"))
    assert settled.take(tokens) == [], "it was settled after the renewal began"
    settled.age(0)
    assert sorted(settled.take(tokens), key=lambda each: each.token) == [
        completed,
        Release(ids[1], b"2"),
        Release(ids[2], b"3"),
    ]
    assert settled.take(tokens) == []


def test_what_was_settled_long_ago_is_forgotten() -> None:
    """As is all of it, if the worker starts anew."""
    settled = Settled()
    old = _settle(settled, Finish(new_job_id(), b"1"))
    settled.age(0)
    new = _settle(settled, Finish(new_job_id(), b"2"))
    settled.age(REMEMBERED + 1)
    assert settled.take(old) == []
    assert len(settled.take(new)) == 1
    newest = _settle(settled, Finish(new_job_id(), b"3"))
    settled.age(REMEMBERED + 2)
    settled.forget()
    assert settled.take(newest) == []


def test_the_garbage_collector_has_no_work_with_it() -> None:
    """A worker may settle a hundred thousand jobs within that time."""
    settled = Settled()
    settled.add([Finish(JobID(int=0), b"")])
    gc.collect()
    before = len(gc.get_objects())
    for number in range(1, 1000):
        settled.add([Finish(JobID(int=number), b"%d" % number)])
    assert len(gc.get_objects()) < before + 100
