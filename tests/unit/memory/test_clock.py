"""The clock that is moved by hand."""

import gc
from datetime import UTC, datetime, timedelta, timezone

import pytest

from jobsvalkey_memory import ManualClock


class Listener:
    def __init__(self) -> None:
        self.calls = 0

    def moved(self) -> None:
        self.calls += 1


def test_it_stands_still_until_it_is_moved() -> None:
    clock = ManualClock()
    start = clock.now()
    assert clock.now() == start == datetime(2025, 1, 1, 12, tzinfo=UTC)
    clock.advance(timedelta(minutes=2))
    assert clock.now() - start == timedelta(minutes=2)
    clock.set(start)
    assert clock.now() == start


def test_it_keeps_utc() -> None:
    clock = ManualClock(datetime(2025, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert (clock.now(), clock.now().tzinfo) == (datetime(2025, 1, 1, tzinfo=UTC), UTC)


def test_it_refuses_naive_times_and_going_back_by_advance() -> None:
    naive = datetime(2025, 1, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="naive"):
        ManualClock(naive)
    with pytest.raises(ValueError, match="naive"):
        ManualClock().set(naive)
    with pytest.raises(ValueError, match="use set"):
        ManualClock().advance(timedelta(seconds=-1))


def test_it_tells_those_who_live() -> None:
    clock, listener, gone = ManualClock(), Listener(), Listener()
    clock.subscribe(gone.moved)
    clock.subscribe(listener.moved)
    del gone
    gc.collect()
    clock.advance(timedelta(seconds=1))
    assert listener.calls == 1
