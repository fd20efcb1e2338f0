"""`jobsvalkey jobs`."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest

from jobsvalkey.contract import JobID, JobName, JobStatus
from jobsvalkey.runtime import JobContext, JobQueue, NoRetry, ProcessorOptions
from jobsvalkey.valkey import ValkeyJobQueue
from tests.unit.cli.shell import Shell

NAME = JobName("Say [bold]", str)


async def run_all(queue: JobQueue[ValkeyJobQueue]) -> None:
    """Run what is due; the job fails where its text is "fail"."""

    async def handler(text: str, _context: JobContext) -> None:
        if text == "fail":
            raise RuntimeError("it was told to\nin two lines")

    queue.register_job(NAME, handler, retry_strategy=NoRetry())
    await queue.processor(ProcessorOptions(burst=True)).run()


async def test_lists_jobs_of_all_states(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    failed, completed = [await queue.push(NAME, text) for text in ("fail", "well")]
    await run_all(queue)
    paused = await queue.push(NAME, "later")
    await queue.pause(paused)
    listed = await shell("jobs", "list")
    assert listed.code == 0
    rows = {line.split()[0]: line for line in listed.out.splitlines()[1:]}
    assert rows.keys() == {str(failed), str(completed), str(paused)}
    assert "Say [bold]" in rows[str(paused)]
    assert "RuntimeError: it was told to" in rows[str(failed)]
    assert "in two lines" not in listed.out


@pytest.mark.parametrize("text", [r"bad pattern \[/a]", r"see \[b] C:\[x]", "ratio 1:100: :warning:"])
async def test_shows_what_others_wrote_as_they_wrote_it(
    shell: Shell, queue: JobQueue[ValkeyJobQueue], text: str
) -> None:
    async def handler(text: str, _context: JobContext) -> None:
        raise RuntimeError(text)

    queue.register_job(NAME, handler, retry_strategy=NoRetry())
    job_id = str(await queue.push(NAME, text))
    await queue.processor(ProcessorOptions(burst=True)).run()
    assert f"RuntimeError: {text}" in (await shell("jobs", "list")).out
    assert f"RuntimeError: {text}" in (await shell("jobs", "show", job_id)).out
    assert (await shell("jobs", "show", job_id, "--json")).json["parameters"] == text


async def test_lists_the_states_asked_for(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    ids = [str(await queue.push(NAME, "x")) for _ in range(3)]
    await queue.pause(ids[2])
    listed = await shell("jobs", "list", "--status", "pending", "--limit", "1", "--json")
    assert [(each["id"], each["status"], each["parameters"]) for each in listed.json] == [(ids[0], "pending", "x")]
    both = await shell("jobs", "list", "--status", "pending", "--status", "paused", "--json")
    assert [each["id"] for each in both.json] == ids
    assert (await shell("jobs", "list", "--status", "failed")).out == "no jobs\n"


async def test_shows_why_a_job_failed(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    job_id = await queue.push(NAME, "fail")
    await run_all(queue)
    shown = await shell("jobs", "show", str(job_id))
    assert shown.code == 0
    for text in (str(job_id), "Say [bold]", '"fail"', "failed", "error of attempt 1: RuntimeError: it was told to"):
        assert text in shown.out
    assert "raise RuntimeError" in shown.out
    assert (await shell("jobs", "show", str(job_id).lower(), "--json")).json["error"]["type"] == "RuntimeError"


async def test_shows_no_job_that_is_not_there(shell: Shell) -> None:
    (await shell("jobs", "show", str(uuid4()))).assert_refused(1, "there is no job", "jobs list")


async def test_a_job_goes_through_its_states(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    job_id = await queue.push(NAME, "x")
    for command, word, status in (
        ("pause", "paused", JobStatus.PAUSED),
        ("resume", "resumed", JobStatus.PENDING),
        ("cancel", "cancelled", JobStatus.CANCELLED),
    ):
        changed = await shell("jobs", command, str(job_id))
        assert (changed.code, changed.out) == (0, f"{job_id} {word}\n")
        assert await queue.status(job_id) is status


async def test_reruns_and_removes(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    job_id = await queue.push(NAME, "fail")
    await run_all(queue)
    assert (await shell("jobs", "rerun", str(job_id), "--json")).json == [{"job_id": str(job_id), "done": True}]
    assert await queue.status(job_id) is JobStatus.PENDING
    assert (await shell("jobs", "remove", str(job_id))).out == f"{job_id} removed\n"
    assert await queue.status(job_id) is None


@pytest.mark.parametrize("command", ["cancel", "pause", "resume", "rerun", "remove"])
async def test_says_why_nothing_was_done(shell: Shell, command: str) -> None:
    job_id = JobID.parse(uuid4())
    (await shell("jobs", command, str(job_id))).assert_refused(1, f"{job_id} is not there")


async def test_does_what_can_be_done_and_names_the_rest(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    first, second = [await queue.push(NAME, "x") for _ in range(2)]
    await queue.pause(first)
    changed = await shell("jobs", "pause", str(first), str(second))
    changed.assert_refused(1, f"not pending: {first} is paused")
    assert changed.out == f"{second} paused\n"


@pytest.mark.parametrize("command", ["show", "cancel", "pause", "resume", "rerun", "remove"])
async def test_refuses_what_is_no_id(shell: Shell, command: str) -> None:
    (await shell("jobs", command, "12")).assert_refused(2, "'12' is not a job id")


async def test_aborts_what_waits_and_what_runs(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    waiting, running = await queue.push(NAME, "later"), await queue.push(NAME, "now")
    await queue.pause(waiting)
    await queue.driver.open_worker("worker", timedelta(hours=1))
    (claim,) = (await queue.driver.exchange("worker", 1, (), 1)).claims
    assert claim.job_id == running
    done = await shell("jobs", "abort", str(waiting), str(running))
    assert done.code == 0
    assert done.out.splitlines() == [f"{waiting} cancelled", f"{running} was asked to end"]
    assert (await queue.driver.exchange("worker", 2)).aborts == {claim.token}
    again = await shell("jobs", "abort", str(waiting), str(running), "--json")
    assert [each["outcome"] for each in json.loads(again.out)] == ["nothing", "requested"]
    assert again.code == 1
    assert str(waiting) in again.err
