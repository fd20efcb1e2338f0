"""After `close`, and from an instance that is garbage, nothing is left in this process."""

import gc
import pickle
import threading
import weakref
from functools import partial
from typing import Any

import psutil
import pytest

from jobsvalkey import (
    BlockingJobQueue,
    ConfigurationError,
    InvalidParameters,
    JobStatus,
    StoreUnavailable,
    ValkeyJobQueue,
)
from jobsvalkey_memory import MemoryJobQueue
from tests.support.work import Work
from tests.unit.blocking.support import Gate, connections, in_threads, looking_at, wait_until


def loops() -> int:
    return sum(thread.name == "jobsvalkey" for thread in threading.enumerate())


def descriptors() -> int:
    return psutil.Process().num_fds()


def test_close_leaves_no_thread_no_connection_and_no_descriptor(url: str, queue_key: str) -> None:
    with looking_at(url) as client:
        client.ping()
        before = descriptors()
        for _ in range(3):
            with BlockingJobQueue.from_url(url, queue_key=queue_key) as jobs:
                jobs.push(Work())
                jobs.counts()
                assert loops() == 1
                assert connections(client, queue_key) == 2
            assert loops() == 0
            wait_until(lambda: connections(client, queue_key) == 0)
            assert descriptors() == before


def test_queues_share_a_loop_which_the_last_one_ends(url: str, queue_key: str) -> None:
    first = BlockingJobQueue.from_url(url, queue_key=queue_key)
    second = BlockingJobQueue.from_url(url, queue_key=queue_key)
    first.push(Work())
    second.push(Work())
    assert loops() == 1
    first.close()
    assert loops() == 1
    assert second.counts()[JobStatus.PENDING] == 2
    second.close()
    assert loops() == 0


def test_one_that_is_not_used_has_no_loop() -> None:
    with BlockingJobQueue.from_url("valkey://localhost:1"):
        assert loops() == 0


def test_closing_twice_is_fine_and_a_use_after_it_is_refused(jobs: BlockingJobQueue[ValkeyJobQueue]) -> None:
    jobs.push(Work())
    records = jobs.jobs(JobStatus.PENDING)
    next(records)
    jobs.close()
    jobs.close()
    with pytest.raises(ConfigurationError, match="was closed: make another one"):
        jobs.push(Work())
    with pytest.raises(ConfigurationError, match="was closed: make another one"):
        list(jobs.jobs(JobStatus.PENDING))
    assert list(records) == []


def test_one_that_was_not_used_can_be_closed_too() -> None:
    jobs = BlockingJobQueue(MemoryJobQueue)
    jobs.close()
    with pytest.raises(ConfigurationError, match="was closed"):
        jobs.push(Work())


@pytest.mark.parametrize("threads", [1, 4])
def test_closing_ends_calls_that_are_under_way(threads: int, url: str, queue_key: str) -> None:
    gate = Gate()
    ended: list[BaseException] = []
    jobs = BlockingJobQueue.from_url(url, queue_key=queue_key, middleware=[gate])

    def work(index: int) -> None:
        if index == 0:
            gate.came.wait()
            jobs.close()
            return
        try:
            jobs.push(Work())
        except (StoreUnavailable, ConfigurationError) as error:
            ended.append(error)

    in_threads(1 + threads, work)
    assert len(ended) == threads
    assert [error.outcome for error in ended if isinstance(error, StoreUnavailable)].count("unknown") >= 1
    assert loops() == 0


def test_threads_that_open_push_and_close_all_the_time_hang_nowhere(url: str, queue_key: str) -> None:
    def work(index: int) -> None:
        for _ in range(25):
            with BlockingJobQueue.from_url(url, queue_key=queue_key) as jobs:
                jobs.push(Work(index))

    in_threads(6, work)
    assert loops() == 0
    with BlockingJobQueue.from_url(url, queue_key=queue_key) as jobs:
        assert jobs.counts()[JobStatus.PENDING] == 150


def test_one_that_is_garbage_is_closed(url: str, queue_key: str) -> None:
    jobs = BlockingJobQueue.from_url(url, queue_key=queue_key)
    jobs.push(Work())
    ended = weakref.ref(jobs)
    del jobs
    gc.collect()
    assert ended() is None
    wait_until(lambda: loops() == 0)
    with looking_at(url) as client:
        wait_until(lambda: connections(client, queue_key) == 0)


def test_one_in_a_circle_is_closed_wherever_it_is_collected(url: str, queue_key: str) -> None:
    circle: list[Any] = [BlockingJobQueue.from_url(url, queue_key=queue_key)]
    circle.append(circle)
    circle[0].push(Work())
    del circle
    with BlockingJobQueue(partial(collecting, MemoryJobQueue)) as other:  # in the loop itself
        other.counts()
        with looking_at(url) as client:
            wait_until(lambda: connections(client, queue_key) == 0)


def collecting(make: Any) -> Any:
    gc.collect()
    return make()


def test_errors_make_no_circles(jobs: BlockingJobQueue[ValkeyJobQueue]) -> None:
    class Parameters:
        pass

    def fail() -> weakref.ref[Parameters]:
        parameters: Any = Parameters()
        try:
            jobs.push(parameters)
        except InvalidParameters:
            return weakref.ref(parameters)
        raise AssertionError

    gc.collect()
    gc.disable()
    try:
        failed = fail()
        jobs.counts()
        assert failed() is None
    finally:
        gc.enable()


def test_one_can_be_sent_to_another_process(jobs: BlockingJobQueue[ValkeyJobQueue]) -> None:
    jobs.push(Work())
    with pickle.loads(pickle.dumps(jobs)) as other:  # noqa: S301
        assert other.counts()[JobStatus.PENDING] == 1
