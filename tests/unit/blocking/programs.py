"""Programs that end, fork or are interrupted: `python -m tests.unit.blocking.programs NAME URL QUEUE_KEY`."""

import atexit
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from jobsvalkey import BlockingJobQueue
from jobsvalkey.blocking import process
from tests.support.work import Work
from tests.unit.blocking.support import Gate, connections, left_behind, looking_at, wait_until

Jobs = BlockingJobQueue[Any]


def ends_without_close(jobs: Jobs, url: str) -> None:
    jobs.push(Work())


def ends_by_an_error(jobs: Jobs, url: str) -> None:
    jobs.push(Work())
    sys.exit(0)


def ends_while_a_daemon_waits(jobs: Jobs, url: str) -> None:
    gate = Gate()
    other = BlockingJobQueue.from_url(url, queue_key=key(), middleware=[gate])
    threading.Thread(target=lambda: other.push(Work()), daemon=True).start()
    gate.came.wait()
    jobs.push(Work())


def ends_while_a_thread_pushes(jobs: Jobs, url: str) -> None:
    def push() -> None:
        threading.main_thread().join()
        jobs.push(Work())

    threading.Thread(target=push).start()


def pushes_at_exit(jobs: Jobs, url: str) -> None:
    def push() -> None:
        jobs.push(Work())

    atexit.register(push)


def is_let_go(jobs: Jobs, url: str) -> None:
    def use() -> None:
        other = BlockingJobQueue.from_url(url, queue_key=key())
        other.push(Work())

    use()
    wait_until(lambda: not left_behind())
    with looking_at(url) as client:
        wait_until(lambda: connections(client, key()) == 0)


def closes_all(jobs: Jobs, url: str) -> None:
    jobs.push(Work())
    with BlockingJobQueue.from_url(url, queue_key=key()) as other:
        other.counts()
        jobs.close()
        other.counts()
    assert left_behind() == []
    with BlockingJobQueue.from_url(url, queue_key=key()) as other:
        other.counts()
    assert left_behind() == []


def in_child(
    work: Callable[[], object], fork: Callable[[], int] = os.fork, end: Callable[[int], NoReturn] = sys.exit
) -> int:
    """Run `work` in a forked process, which ends as programs do; its id."""
    child = fork()
    if not child:
        work()
        end(0)
    return child


def ended(child: int) -> None:
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def forks(jobs: Jobs, url: str) -> None:
    jobs.push(Work())

    def work() -> None:
        assert left_behind() == [], left_behind()
        jobs.push(Work())
        jobs.close()
        assert left_behind() == [], left_behind()

    ended(in_child(work))
    jobs.push(Work())


def forks_before_use(jobs: Jobs, url: str) -> None:
    ended(in_child(lambda: jobs.push(Work())))
    jobs.push(Work())


def forks_and_the_child_does_not_use_it(jobs: Jobs, url: str) -> None:
    jobs.push(Work())
    ended(in_child(lambda: None))
    jobs.push(Work())


def forks_and_the_child_ends_at_once(jobs: Jobs, url: str) -> None:
    jobs.push(Work())
    ended(in_child(lambda: jobs.push(Work()), end=os._exit))
    jobs.push(Work())


def forks_twice(jobs: Jobs, url: str) -> None:
    jobs.push(Work())

    def work() -> None:
        jobs.push(Work())
        ended(in_child(lambda: jobs.push(Work())))
        jobs.push(Work())

    ended(in_child(work))


def forks_many_that_live_on(jobs: Jobs, url: str) -> None:
    """As servers do, before which the application was loaded and used."""
    jobs.push(Work())
    let_go, end = os.pipe()
    name = key()

    def work() -> None:
        os.close(end)
        jobs.push(Work())
        os.read(let_go, 1)

    children = [in_child(work) for _ in range(4)]
    with looking_at(url) as client:
        wait_until(lambda: connections(client, name) == 5)
        jobs.close()
        # No child holds what was the parent's.
        wait_until(lambda: connections(client, name) == 4)
        os.close(end)
        for child in children:
            ended(child)
        wait_until(lambda: connections(client, name) == 0)


def forks_while_a_thread_waits(jobs: Jobs, url: str) -> None:
    gate = Gate()
    other = BlockingJobQueue.from_url(url, queue_key=key(), middleware=[gate])
    thread = threading.Thread(target=lambda: other.push(Work()))
    thread.start()
    gate.came.wait()

    def work() -> None:
        gate.opened.set()
        other.push(Work())
        jobs.push(Work())

    ended(in_child(work))
    assert thread.is_alive()
    gate.opened.set()
    thread.join()
    other.close()


def forks_while_threads_push(jobs: Jobs, url: str) -> None:
    go_on = threading.Event()
    go_on.set()
    counts: list[int] = []

    def push() -> None:
        pushed = 0
        while go_on.is_set():
            jobs.push(Work())
            pushed += 1
        counts.append(pushed)

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        ended(in_child(lambda: jobs.push(Work())))
    go_on.clear()
    for thread in threads:
        thread.join()
    records = sum(jobs.counts().values())
    assert records == sum(counts) + 20, (records, counts)


def forks_while_the_lock_is_held(jobs: Jobs, url: str) -> None:
    jobs.push(Work())
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with process._process.lock:  # pyright: ignore[reportPrivateUsage]
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    ended(in_child(lambda: jobs.push(Work())))
    done.set()
    thread.join()
    jobs.push(Work())


def forks_in_the_midst_of_an_iteration(jobs: Jobs, url: str) -> None:
    from jobsvalkey import ConfigurationError, JobStatus

    jobs.push_many([Work() for _ in range(150)])
    records = jobs.jobs(JobStatus.PENDING)
    next(records)

    def work() -> None:
        try:
            list(records)
        except ConfigurationError as error:
            assert "begin it anew" in str(error)  # noqa: PT017
        else:
            raise AssertionError
        assert len(list(jobs.jobs(JobStatus.PENDING))) == 150

    ended(in_child(work))
    assert len(list(records)) == 149


def is_forked_by_c(jobs: Jobs, url: str) -> None:
    """As by a server that does not tell Python."""
    jobs.push(Work())
    fork = ctypes.PyDLL(None).fork
    ended(in_child(lambda: jobs.push(Work()), fork, os._exit))
    jobs.push(Work())


def push_one(jobs: Jobs) -> None:
    jobs.push(Work())


def has_processes_forked(jobs: Jobs, url: str) -> None:
    use_processes(jobs, "fork")


def has_processes_spawned(jobs: Jobs, url: str) -> None:
    use_processes(jobs, "spawn")


def use_processes(jobs: Jobs, method: str) -> None:
    jobs.push(Work())
    context: Any = multiprocessing.get_context(method)
    workers = [context.Process(target=push_one, args=(jobs,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    with context.Pool(2) as pool:
        pool.map(push_one, [jobs, jobs])
    jobs.push(Work())


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


def key() -> str:
    return sys.argv[3]


def main(name: str, url: str, queue_key: str) -> None:
    globals()[name](BlockingJobQueue.from_url(url, queue_key=queue_key), url)


if __name__ == "__main__":
    main(*sys.argv[1:])
