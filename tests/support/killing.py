"""A writer and a relay of an outbox, in processes that are killed at random."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path


def wait_to_be_killed(folder: str, number: int) -> None:
    """Stand still in the middle of a transaction, the first time that it is made: so that something is killed.

    The folder has a file for each transaction that was made.
    """
    try:
        (Path(folder) / f"made.{number}").touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGSTOP)


def run_and_kill(write: Callable[[], None], relay: Callable[[], None], seed: int) -> int:
    """Run both until the writer has ended well, and kill one or the other now and then; how often it was."""
    chance, kills = random.Random(seed), 0
    works = {"write": write, "relay": relay}
    running = {name: _fork(work) for name, work in works.items()}
    while True:
        time.sleep(chance.uniform(0.01, 0.25))
        name = chance.choice(list(works))
        ended, status = os.waitpid(running["write"], os.WNOHANG)
        if ended:
            assert status == 0, "the writer has failed"
            break
        os.kill(running[name], signal.SIGKILL)
        os.waitpid(running[name], 0)
        kills += 1
        running[name] = _fork(works[name])
    os.kill(running["relay"], signal.SIGKILL)
    os.waitpid(running["relay"], 0)
    return kills


def _fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return child
