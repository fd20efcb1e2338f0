"""A signal that another thread takes, while the main thread waits in a call: it interrupts nothing."""

import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
import asyncio, ctypes, os, signal, sys, threading, time
from jobsvalkey.cli.prompt_signals import PromptSignals

def take():
    time.sleep(0.2)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(5))
PromptSignals([signal.SIGTERM], patience=lambda: {patience}, give_up=lambda: os._exit(7))
threading.Thread(target=take).start()
{wait}
"""

MUTEX = """
# A call that does not end when it is interrupted, and lets no handler run.
c, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
c.pthread_mutex_init(mutex, None)
c.pthread_mutex_lock(mutex)
c.pthread_mutex_lock(mutex)
"""


def exit_code(wait: str, patience: float = 60) -> int:
    program = PROGRAM.format(wait=textwrap.dedent(wait), patience=patience)
    return subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode


@pytest.mark.parametrize(
    "wait",
    [
        "time.sleep(600)",
        "os.read(os.pipe()[0], 1)",
        "threading.Event().wait()",
        "asyncio.run(asyncio.sleep(600))",
        "import uvloop; uvloop.run(asyncio.sleep(600))",
    ],
)
def test_its_handler_runs_promptly(wait: str) -> None:
    assert exit_code(wait) == 5


def test_if_the_handler_cannot_run_it_gives_up() -> None:
    assert exit_code(MUTEX, patience=0.1) == 7
