"""`jobsvalkey cleanup`."""

import asyncio
import os
import secrets
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta

import pytest

from jobsvalkey.contract import Fail, Finish, JobName, JobStatus
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from tests.unit.cli.shell import Shell

NAME = JobName("N", int)


@pytest.fixture
async def full(queue: JobQueue[ValkeyJobQueue]) -> JobQueue[ValkeyJobQueue]:
    """A queue with two jobs in each state; the processing ones are a dead worker's."""
    driver = queue.driver
    await queue.push_many([NAME.with_parameters(number) for number in range(6)])
    living, dead = secrets.token_hex(8), secrets.token_hex(8)
    await driver.open_worker(living, timedelta(minutes=1))
    claims = (await driver.exchange(living, 1, limit=4)).claims
    ended = [Finish(each.job_id, each.token) for each in claims[:2]]
    await driver.exchange(living, 2, [*ended, *(Fail(each.job_id, each.token, b"x") for each in claims[2:])])
    await driver.open_worker(dead, timedelta(minutes=1))
    assert len((await driver.exchange(dead, 1, limit=2)).claims) == 2
    await driver.renew(dead, timedelta(milliseconds=1))
    for job_id in await queue.push_many([NAME.with_parameters(number) for number in range(2)]):
        await queue.pause(job_id)
    for job_id in await queue.push_many([NAME.with_parameters(number) for number in range(2)]):
        await queue.cancel(job_id)
    await queue.push_many([NAME.with_parameters(number) for number in range(2)])
    for number in range(2):
        await queue.open_batch(NAME, number)
    assert set((await queue.counts()).values()) == {2}
    return queue


# A cleanup leaves jobs that wait for others to those.
@pytest.mark.parametrize("status", [each for each in JobStatus if each is not JobStatus.WAITING])
async def test_removes_the_jobs_of_one_state(shell: Shell, full: JobQueue[ValkeyJobQueue], status: JobStatus) -> None:
    done = await shell("cleanup", f"--{status}", "remove", "--json")
    assert (done.code, done.json) == (0, {"recovered": 0, status.value: 2})
    assert await full.counts() == {each: 0 if each is status else 2 for each in JobStatus}


async def test_reruns_and_removes_several_states_at_once(shell: Shell, full: JobQueue[ValkeyJobQueue]) -> None:
    done = await shell("cleanup", "--failed", "rerun", "--cancelled", "rerun", "--completed", "remove")
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()[1:]] == [
        ["completed", "removed", "2"],
        ["failed", "rerun", "2"],
        ["cancelled", "rerun", "2"],
    ]
    counts = await full.counts()
    assert (counts[JobStatus.PENDING], counts[JobStatus.COMPLETED], counts[JobStatus.FAILED]) == (6, 0, 0)


async def test_leaves_what_is_too_young(shell: Shell, full: JobQueue[ValkeyJobQueue]) -> None:
    done = await shell("cleanup", "--completed", "remove:7d", "--failed", "rerun:1h30m", "--json")
    assert done.json == {"recovered": 0, "completed": 0, "failed": 0}
    assert set((await full.counts()).values()) == {2}


async def test_recovers_the_jobs_of_dead_workers(shell: Shell, full: JobQueue[ValkeyJobQueue]) -> None:
    recovered = 0
    while recovered == 0:  # until the dead worker's lock has run out
        recovered = (await shell("cleanup", "--recover", "--json")).json["recovered"]
    assert recovered == 2
    assert (await full.counts())[JobStatus.PENDING] == 4


async def test_only_orphans_spares_the_living(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    worker = secrets.token_hex(8)
    await queue.driver.open_worker(worker, timedelta(minutes=1))
    await queue.push(NAME, 1)
    await queue.driver.exchange(worker, 1, limit=1)
    done = await shell("cleanup", "--processing", "remove", "--only-orphans", "--json")
    assert done.json == {"recovered": 0, "processing": 0}
    assert (await shell("cleanup", "--processing", "rerun", "--json")).json == {"recovered": 0, "processing": 1}


async def test_goes_in_chunks(shell: Shell, queue: JobQueue[ValkeyJobQueue], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobsvalkey.valkey.cleanup.CHUNK", 3)
    await queue.push_many([NAME.with_parameters(number) for number in range(10)])
    assert (await shell("cleanup", "--pending", "remove", "--json")).json["pending"] == 10
    assert (await queue.counts())[JobStatus.PENDING] == 0


async def test_a_terminal_gets_a_bar_and_a_pipe_the_result_alone(shell: Shell, full: JobQueue[ValkeyJobQueue]) -> None:
    piped = await shell("cleanup", "--completed", "remove")
    assert (piped.code, piped.err) == (0, "")
    out, err = await asyncio.to_thread(on_a_terminal, "cleanup", "--failed", "remove", "--queue", shell.queue_key)
    assert out.split()[-3:] == ["failed", "removed", "2"]
    assert "failed" in err
    assert "2/2" in err


def on_a_terminal(*arguments: str) -> tuple[str, str]:
    """What a command prints whose stderr alone is a terminal."""
    ours, theirs = os.openpty()
    try:
        command = [sys.executable, "-m", "jobsvalkey.cli", *arguments]
        environment = {**os.environ, "TERM": "xterm"}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=environment, timeout=60, check=True)
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the end, once nobody has the other side
            while some := os.read(ours, 4096):
                shown += some
    finally:
        os.close(ours)
    return done.stdout.decode(), shown.decode()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["nothing to do", "--completed remove:7d"]),
        (["--pending", "rerun"], ["pending jobs cannot be rerun"]),
        (["--completed", "delete"], ["--completed delete", "remove, rerun"]),
        (["--completed", "remove:"], ["'' is not a time"]),
        (["--completed", "remove:soon"], ["'soon' is not a time"]),
        (["--completed", "remove", "--only-orphans"], ["--only-orphans goes with --processing"]),
    ],
)
async def test_refuses(shell: Shell, full: JobQueue[ValkeyJobQueue], arguments: list[str], words: list[str]) -> None:
    (await shell("cleanup", *arguments)).assert_refused(2, *words)
    assert set((await full.counts()).values()) == {2}
