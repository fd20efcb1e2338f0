"""`jobsvalkey push`."""

import io
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from jobsvalkey.contract import JobID, JobName, JobStatus, Unique
from jobsvalkey.runtime import JobOptions, JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from tests.unit.cli.shell import Shell


async def test_stores_the_parameters_as_they_were_written(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    pushed = await shell("push", "Send Email", '{"to": "a@b", "amount": 1.50, "big": 123456789012345678901}')
    assert (pushed.code, pushed.err) == (0, "")
    record = await queue.get(pushed.out.strip())
    assert record is not None
    assert record.name == "Send Email"
    assert record.parameters == '{"to": "a@b", "amount": 1.50, "big": 123456789012345678901}'
    assert record.attempt == 1


async def test_prints_json(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    pushed = await shell("push", "N", "[1]", "--json")
    assert await queue.status(pushed.json["job_id"]) is JobStatus.PENDING


async def test_reads_standard_input(
    shell: Shell, queue: JobQueue[ValkeyJobQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(' {"a": 1}\n'))
    record = await queue.get((await shell("push", "N", "-")).out.strip())
    assert record is not None
    assert record.parameters == '{"a": 1}'


async def test_delays(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    record = await queue.get((await shell("push", "N", "1", "--delay", "1h30m")).out.strip())
    assert record is not None
    assert record.due is not None
    assert record.due - record.stored_at == timedelta(minutes=90)


async def test_keeps_a_job_after_its_end(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    record = await queue.get((await shell("push", "N", "1", "--keep-for", "1h")).out.strip())
    assert record is not None
    assert record.keep_for == timedelta(hours=1)
    refused = await shell("push", "N", "1", "--keep-for", "soon")
    assert refused.code == 2


async def test_expiries(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    job_id = (await shell("push", "N", "1", "--expires-in", "5m", "--delay", "1m")).out.strip()
    record = await queue.get(job_id)
    assert record is not None
    assert record.expires is not None
    assert record.expires - record.stored_at == timedelta(minutes=5)
    assert "expires" in (await shell("jobs", "show", job_id)).out
    assert (await shell("jobs", "show", job_id, "--json")).json["expires"] is not None


async def test_a_job_that_has_expired_is_shown_with_its_reason(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    options = JobOptions(expires_at=datetime(2020, 1, 1, tzinfo=UTC), keep_for=timedelta(hours=1))
    job_id = await queue.push(JobName("N", int), 1, options=options)
    await queue.driver.recover()
    assert "error: JobExpired: " in (await shell("jobs", "show", str(job_id))).out


async def test_an_id_of_ones_own_is_pushed_once(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    job_id = str(uuid4()).upper()
    for _ in range(2):
        assert (await shell("push", "N", "1", "--job-id", job_id)).out == f"{job_id}\n"
    assert (await queue.counts())[JobStatus.PENDING] == 1


async def test_a_unique_name_is_held(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    first = await shell("push", "N", "1", "--unique", "customer:42")
    assert (first.code, first.err) == (0, "")
    job_id = first.out.strip()
    again = await shell("push", "N", "2", "--unique", "customer:42")
    assert (again.code, again.out) == (0, f"{job_id}\n")
    assert again.err == "this job holds the name 'customer:42': nothing was pushed\n"
    replaced = await shell("push", "N", "3", "--unique", "customer:42", "--until", "start", "--replace")
    assert (replaced.out, replaced.err) == (f"{job_id}\n", "this job holds the name 'customer:42': it was replaced\n")
    record = await queue.get(job_id)
    assert record is not None
    assert (record.parameters, record.unique) == ("3", Unique("customer:42", "start", "replace"))
    told = await shell("push", "N", "4", "--unique", "customer:42", "--json")
    assert told.json == {"job_id": job_id, "outcome": "duplicate"}
    shown = await shell("jobs", "show", job_id)
    assert "customer:42" in shown.out
    assert (await shell("jobs", "show", job_id, "--json")).json["unique"] == {
        "key": "customer:42",
        "until": "start",
        "otherwise": "replace",
    }


async def test_a_name_may_be_held_for_a_time(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    pushed = await shell("push", "N", "1", "--unique", "a", "--until", "1h30m")
    record = await queue.get(pushed.out.strip())
    assert record is not None
    assert record.unique == Unique("a", timedelta(minutes=90))
    shown = await shell("jobs", "show", pushed.out.strip())
    assert "a (until 1:30:00, else skip) " in shown.out


async def test_after_other_jobs(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    first, second = [(await shell("push", "N", "1", "--keep-for", "1h")).out.strip() for _ in range(2)]
    pushed = await shell("push", "N", "2", "--after", first, "--after", second)
    assert (pushed.code, pushed.err) == (0, "")
    record = await queue.get(pushed.out.strip())
    assert record is not None
    assert (record.status, list(map(str, record.after))) == (JobStatus.WAITING, [first, second])
    assert record.if_failed == "cancel"
    finalizer = await queue.get((await shell("push", "N", "3", "--after", first, "--if-failed", "run")).out.strip())
    assert finalizer is not None
    assert finalizer.if_failed == "run"


async def test_a_member_of_a_batch(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    queue.register_job(JobName("N", int), lambda parameters, context: None)
    batch = await queue.open_batch(JobName("N", int), 1)
    record = await queue.get((await shell("push", "N", "2", "--batch", str(batch))).out.strip())
    assert record is not None
    assert record.batch == batch


async def test_jobs_that_cannot_be_waited_for(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    there = (await shell("push", "N", "1")).out.strip()
    unknown = str(uuid4())
    (await shell("push", "N", "2", "--after", unknown)).assert_refused(1, unknown.upper(), "is not there")
    (await shell("push", "N", "2", "--batch", there)).assert_refused(1, there, "open a batch")
    assert sum((await queue.counts()).values()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["N", "1", "--after", "abc"], ["'abc' is not a job id"]),
        (["N", "1", "--batch", "abc"], ["'abc' is not a job id"]),
        (["N", "1", "--if-failed", "run"], ["--after UUID"]),
        (["N", "1", "--after", str(JobID(int=1)), "--if-failed", "perhaps"], ["cancel or run", "'perhaps'"]),
        (["N", "{not json"], ["not JSON", "quotes"]),
        (["N", ""], ["not JSON"]),
        (["N", "1", "--job-id", "abc"], ["'abc' is not a job id", "UUID"]),
        (["N", "1", "--delay", "5"], ["'5' is not a time", "90s"]),
        (["N", "1", "--delay", "-5s"], ["'-5s' is not a time"]),
        (["N", "1", "--delay", "99999999999d"], ["is not a time"]),
        (["N", "1", "--expires-in", "5"], ["'5' is not a time", "90s"]),
        (["N", "1", "--expires-in", "0s"], ["expires_in is a time above zero"]),
        (["N", "1", "--expires-in", "1h", "--delay", "2h"], ["could never run"]),
        (["", "1"], ["NAME is empty"]),
        (["N", "1", "--unique", ""], ["1 to 1,024 bytes"]),
        (["N", "1", "--unique", "a", "--until", "later"], ["'later' is not a time", "90s"]),
        (["N", "1", "--unique", "a", "--until", "0s"], ["until is a time above zero"]),
        (["N", "1", "--until", "start"], ["--unique KEY"]),
        (["N", "1", "--replace"], ["--unique KEY"]),
        (["N"], ["Missing argument 'JSON'", "see jobsvalkey push --help"]),
        (["N", "1", "--what"], ["No such option: --what"]),
    ],
)
async def test_refuses(shell: Shell, queue: JobQueue[ValkeyJobQueue], arguments: list[str], words: list[str]) -> None:
    (await shell("push", *arguments)).assert_refused(2, *words)
    assert sum((await queue.counts()).values()) == 0


async def test_a_payload_over_the_limit_is_not_stored(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    (await shell("push", "N", f'"{"x" * 1024 * 1024}"')).assert_refused(1, "max_payload")
    assert sum((await queue.counts()).values()) == 0
