"""A program that uses blocking queues ends, forks and is interrupted: it hangs nowhere, prints and leaves nothing."""

import subprocess
import sys
from typing import Any

import pytest

from jobsvalkey import BlockingJobQueue, ValkeyJobQueue
from tests.support.processes import ROOT
from tests.support.waiting import PATIENCE
from tests.unit.blocking.support import connections, looking_at, wait_until

PUSHES = {
    "ends_without_close": 1,
    "ends_by_an_error": 1,
    "ends_while_a_daemon_waits": 1,
    "ends_while_a_thread_pushes": 1,
    "pushes_at_exit": 1,
    "is_let_go": 1,
    "closes_all": 1,
    "forks": 3,
    "forks_before_use": 2,
    "forks_and_the_child_does_not_use_it": 2,
    "forks_and_the_child_ends_at_once": 3,
    "forks_twice": 4,
    "forks_many_that_live_on": 5,
    "forks_while_a_thread_waits": 3,
    "forks_while_threads_push": None,
    "forks_while_the_lock_is_held": 3,
    "forks_in_the_midst_of_an_iteration": 150,
    "is_forked_by_c": 3,
    "has_processes_forked": 6,
    "has_processes_spawned": 6,
    "is_interrupted": 1,
    "is_interrupted_all_the_time": None,
    "is_interrupted_while_it_packs": 0,
    "is_interrupted_while_it_starts": None,
    "pushes_in_a_signal_handler": 3,
    "is_signalled_while_the_server_is_silent": None,
    "is_signalled_all_the_time": None,
}
"""Programs, and how many jobs each has pushed; `None` is checked by the program."""


@pytest.mark.parametrize("program", PUSHES)
def test_it(program: str, url: str, queue_key: str, jobs: BlockingJobQueue[ValkeyJobQueue]) -> None:
    # Warnings of what was not closed are errors. Python itself warns of forks, from 3.12 on, if there are threads.
    flags = ["-W", "error", "-W", "ignore::DeprecationWarning"]
    command: list[Any] = [sys.executable, *flags, "-m", "tests.unit.blocking.programs", program, url, queue_key]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    with looking_at(url) as client:
        wait_until(lambda: connections(client, queue_key) == 0)
    if PUSHES[program] is not None:
        assert sum(jobs.counts().values()) == PUSHES[program]
