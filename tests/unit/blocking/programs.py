"""Programs that end, fork or are interrupted: `python -m tests.unit.blocking.programs NAME URL QUEUE_KEY`."""

import atexit
import ctypes
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from jobsvalkey import BlockingJobQueue
from jobsvalkey.blocking import process
from tests.support.work import Work
from tests.unit.blocking import signals
from tests.unit.blocking.support import Gate, Jobs, connections, key, left_behind, looking_at, wait_until


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

    jobs.counts()  # from Python 3.12 on, no thread begins any more when the interpreter ends
    threading.Thread(target=push).start()


def pushes_at_exit(jobs: Jobs, url: str) -> None:
    def push() -> None:
        jobs.push(Work())

    jobs.counts()
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
            assert "start it again" in str(error)  # noqa: PT017
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


def main(name: str, url: str, queue_key: str) -> None:
    program = globals().get(name) or getattr(signals, name)
    program(BlockingJobQueue.from_url(url, queue_key=queue_key), url)


if __name__ == "__main__":
    main(*sys.argv[1:])
