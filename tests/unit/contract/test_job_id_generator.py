import inspect
import itertools
import subprocess
import sys
import threading
from types import FrameType
from typing import Any
from uuid import RFC_4122

from jobsvalkey import JobID, new_job_id
from jobsvalkey.contract import JobIDGenerator

MILLISECONDS = 1_750_000_000_000


class Clock:
    def __init__(self, now: int = MILLISECONDS) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def milliseconds(job_id: JobID) -> int:
    return job_id.int >> 80


def rises(ids: list[JobID]) -> bool:
    return all(one < other for one, other in itertools.pairwise(ids))


def test_version_and_variant() -> None:
    for generator in (new_job_id, JobIDGenerator(Clock()), JobIDGenerator(Clock(2**48 - 1))):
        for _ in range(1000):
            job_id = generator()
            assert (job_id.version, job_id.variant) == (7, RFC_4122)
            assert job_id == JobID(str(job_id))


def test_it_begins_with_the_time() -> None:
    clock = Clock()
    generator = JobIDGenerator(clock)
    assert milliseconds(generator()) == MILLISECONDS
    clock.now += 12_345
    assert milliseconds(generator()) == MILLISECONDS + 12_345


def test_ids_of_one_millisecond_rise() -> None:
    assert rises([job_id for generator in [JobIDGenerator(Clock())] for job_id in (generator() for _ in range(20_000))])


def test_ids_rise_also_where_the_clock_steps_back() -> None:
    clock = Clock()
    generator = JobIDGenerator(clock)
    ids: list[JobID] = []
    for step in (0, 1, -5_000, 3, 0, -86_400_000, 90_000_000, 0):
        clock.now += step
        ids += [generator() for _ in range(100)]
    assert rises(ids)
    assert milliseconds(ids[-1]) == clock.now


def test_a_counter_that_is_used_up_borrows_from_the_next_millisecond() -> None:
    generator = JobIDGenerator(Clock())
    first = generator()
    generator._counters[MILLISECONDS] = iter(range((1 << 42) - 1, 1 << 42))  # pyright: ignore[reportPrivateUsage]
    last, over, after = generator(), generator(), generator()
    assert rises([first, last, over, after])
    assert milliseconds(last) == MILLISECONDS
    assert milliseconds(over) == milliseconds(after) == MILLISECONDS + 1
    assert {each.version for each in (last, over, after)} == {7}


def test_a_new_millisecond_leaves_room_for_its_ids() -> None:
    clock = Clock()
    generator = JobIDGenerator(clock)
    for _ in range(200):
        clock.now += 1
        job_id = generator()
        assert (job_id.int >> 64 & 0xFFF) < 1 << 11  # the first 12 of 42 bits


def test_a_signal_handler_may_make_ids_in_the_midst_of_making_one() -> None:
    """At each line of the generator, as at any other point."""
    generator = JobIDGenerator(Clock())
    made: list[JobID] = []
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            made.append(generator())
        return trace if frame.f_code.co_filename == inspect.getfile(JobIDGenerator) else None

    for _ in range(50):
        sys.settrace(trace)
        try:
            made.append(generator())
        finally:
            sys.settrace(None)
    assert lines > 300
    assert len(set(made)) == len(made)


def test_two_generators_make_different_ids() -> None:
    one, other = JobIDGenerator(Clock()), JobIDGenerator(Clock())
    assert not {one() for _ in range(1000)} & {other() for _ in range(1000)}


def test_ids_are_unique_over_threads() -> None:
    generator = JobIDGenerator()
    made: list[list[JobID]] = [[] for _ in range(8)]
    start = threading.Barrier(len(made))

    def make(ids: list[JobID]) -> None:
        start.wait()
        ids.extend(generator() for _ in range(5_000))

    threads = [threading.Thread(target=make, args=(ids,)) for ids in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(rises(ids) for ids in made)
    assert len({job_id for ids in made for job_id in ids}) == 8 * 5_000


FORKING = """
import os
from jobsvalkey import new_job_id
new_job_id()
os.fork()
os.fork()
os.write(1, " ".join(str(new_job_id()) for _ in range(50)).encode() + b"\\n")
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
"""
"""Forks twice, which makes four processes."""


def test_child_processes_make_ids_of_their_own() -> None:
    # In a process of its own: one with threads should not fork.
    command = [sys.executable, "-c", FORKING]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    ids = [line.split() for line in told.splitlines()]
    assert [len(each) for each in ids] == [50] * 4
    assert len({text for each in ids for text in each}) == 200
    # Not even the random part goes on where the parent's did.
    assert len({text[-8:] for each in ids for text in each}) == 200
