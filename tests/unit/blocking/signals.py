"""Programs that signals reach at any point, run by `programs`."""

import os
import signal
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

from jobsvalkey import BlockingJobQueue, StoreUnavailable, ValkeyConfiguration
from jobsvalkey.valkey.connection import pack
from tests.support.work import Work
from tests.unit.blocking.support import Gate, Jobs, key, left_behind, looking_at, wait_until


def is_interrupted(jobs: Jobs, url: str) -> None:
    gate = Gate()
    with BlockingJobQueue.from_url(url, queue_key=key(), middleware=[gate]) as waiting:

        def interrupt() -> None:
            gate.came.wait()
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            waiting.push(Work())
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError
        thread.join()
        gate.opened.set()
        waiting.push(Work())
    assert left_behind() == []


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def say_unless_interrupted(unraisable: Any) -> None:
    # Python says so of an interrupt that comes in a destructor.
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)


def is_interrupted_all_the_time(jobs: Jobs, url: str) -> None:
    """At any point of a call, beside a thread that pushes."""
    interrupted = 0
    go_on = threading.Event()
    go_on.set()

    def push() -> None:
        while go_on.is_set():
            jobs.push(Work())

    signal.signal(signal.SIGALRM, interrupt)
    sys.unraisablehook = say_unless_interrupted
    thread = threading.Thread(target=push)
    thread.start()
    other = BlockingJobQueue.from_url(url, queue_key=key())
    for number in range(400):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.00002 * (1 + number % 40))
            other.push(Work())
            other.counts()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            interrupted += 1
    go_on.clear()
    thread.join()
    assert interrupted
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
    other.push(Work())
    other.close()
    jobs.close()
    assert left_behind() == []


def is_interrupted_while_it_packs(jobs: Jobs, url: str) -> None:
    """Numbers, above all: Python looks for signals while it writes one."""
    signal.signal(signal.SIGALRM, interrupt)
    words = (1, 2**60) * 100
    whole = pack(words)
    for _ in range(2_000):
        with suppress(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.00002)
            while True:
                assert pack(words) == whole


def is_interrupted_while_it_starts(jobs: Jobs, url: str) -> None:
    """The loop, and ends it."""

    signal.signal(signal.SIGALRM, interrupt)
    sys.unraisablehook = say_unless_interrupted
    for number in range(100):
        other = BlockingJobQueue.from_url(url, queue_key=key())
        with suppress(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.00005 * (1 + number % 40))
            other.push(Work())
            other.close()
            signal.setitimer(signal.ITIMER_REAL, 0)
        other.close()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
    jobs.push(Work())
    jobs.close()
    wait_until(lambda: not left_behind())


def pushes_in_a_signal_handler(jobs: Jobs, url: str) -> None:
    gate = Gate()
    with BlockingJobQueue.from_url(url, queue_key=key(), middleware=[gate]) as waiting:

        def handle(*_: object) -> None:
            jobs.push(Work())
            gate.opened.set()
            waiting.push(Work())

        signal.signal(signal.SIGUSR1, handle)

        def send() -> None:
            gate.came.wait()
            os.kill(os.getpid(), signal.SIGUSR1)

        thread = threading.Thread(target=send)
        thread.start()
        waiting.push(Work())
        thread.join()


def is_signalled_while_the_server_is_silent(jobs: Jobs, url: str) -> None:
    """As by a profiler: a signal is no reason to wait for longer."""
    configuration = ValkeyConfiguration(queue_key=key(), operation_timeout=timedelta(seconds=0.3))

    def handle(*_: object) -> None: ...

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    with BlockingJobQueue.from_url(url, configuration=configuration) as other, looking_at(url) as client:
        is_connected = False
        while not is_connected:
            with suppress(StoreUnavailable):  # the machine may be too busy for so short a time
                other.push(Work())
                is_connected = True
        client.client_pause(10_000, all=False)
        try:
            other.push(Work())
        except StoreUnavailable as error:
            assert error.outcome == "unknown"  # noqa: PT017
        else:
            raise AssertionError
        finally:
            client.client_unpause()
    signal.setitimer(signal.ITIMER_REAL, 0)


def is_signalled_all_the_time(jobs: Jobs, url: str) -> None:
    """Among others, while the loop is started and ended."""
    handled: list[int] = []

    def handle(*_: object) -> None:
        with BlockingJobQueue.from_url(url, queue_key=key()) as other:
            other.push(Work())
        handled.append(1)
        if len(handled) < 200:
            signal.setitimer(signal.ITIMER_REAL, 0.0005 + 0.0001 * (len(handled) % 20))

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    for _ in range(100):
        with BlockingJobQueue.from_url(url, queue_key=key()) as other:
            other.push(Work())
    signal.setitimer(signal.ITIMER_REAL, 0)
    jobs.push(Work())
    assert sum(jobs.counts().values()) == 101 + len(handled)
    jobs.close()
    assert left_behind() == []
