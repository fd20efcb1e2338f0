from datetime import UTC, datetime, timedelta, timezone

import pytest

from jobsvalkey import DO_NOT_RETAIN, RETAIN, JobID, JobStatus, Retention, RetentionPolicy, retain_last
from jobsvalkey.contract import Fail, Finish, Release, Retry, SettleOutcome
from jobsvalkey.valkey import wire

ID = JobID("3F2504E0-4F89-41D3-9A0C-0305E82C3301")
WIRE_ID = str(ID).encode()
TIME = datetime(2025, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
MICROSECONDS = 1735732800123456
SCORE = b"1735732800.123456"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TIME, MICROSECONDS),
        (TIME.astimezone(timezone(timedelta(hours=-5))), MICROSECONDS),
        (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), -1_000_000),
        (datetime.max.replace(tzinfo=UTC), 253402300799999999),
        (timedelta(days=1, microseconds=1), 86_400_000_001),
        (timedelta(0), 0),
    ],
)
def test_times_are_whole_microseconds(value: datetime | timedelta, expected: int) -> None:
    assert wire.microseconds(value) == expected


def test_a_time_comes_back_to_the_microsecond() -> None:
    for number in range(1000):
        time = TIME + timedelta(microseconds=number * 997)
        assert wire.from_microseconds(b"%d" % wire.microseconds(time)) == time
        assert wire.from_score(f"{wire.microseconds(time) / 1_000_000:.6f}".encode()) == time


@pytest.mark.parametrize("score", [b"253402300800", b"253402300799.99999", b"1e300", b"inf"])
def test_a_time_beyond_what_a_datetime_can_hold_is_the_last_one(score: bytes) -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert wire.from_score(score) == last
    assert wire.from_microseconds(b"%.0f" % (float(score) * 1_000_000)) == last
    until_next = wire.exchanged([b"", b"%.0f" % float(score), [], [], []]).until_next
    assert until_next == pytest.approx(float(score) / 1_000_000)


@pytest.mark.parametrize("score", [b"-62135596801", b"-1e300", b"-inf"])
def test_a_time_before_what_a_datetime_can_hold_is_the_first_one(score: bytes) -> None:
    assert wire.from_score(score) == datetime.min.replace(tzinfo=UTC)
    assert wire.from_microseconds(b"%.0f" % (float(score) * 1_000_000)) == datetime.min.replace(tzinfo=UTC)


def test_due_times() -> None:
    assert wire.due_argument(None) == ""
    assert wire.due_argument(TIME) == str(MICROSECONDS)
    assert wire.due_argument(timedelta(seconds=1.5)) == "+1500000"
    assert wire.due_argument(timedelta(0)) == "+0"


def test_retention() -> None:
    policy = RetentionPolicy(
        completed_jobs=DO_NOT_RETAIN, failed_jobs=Retention(timedelta(seconds=1), 7), cancelled_jobs=RETAIN
    )
    assert wire.retention_argument(policy) == ":0 1000000:7 :"
    assert wire.retention_argument(RetentionPolicy(completed_jobs=retain_last(3))).startswith(":3 ")


def test_settlements() -> None:
    text = str(ID)
    assert wire.settlement_arguments([Finish(ID, b"1.0"), Release(ID, b"1.1")]) == [
        *("d", text, b"1.0"),
        *("release", text, b"1.1"),
    ]
    assert wire.settlement_arguments([Fail(ID, b"1.0", b"why"), Fail(ID, b"1.0", b"why", keep=True)]) == [
        *("fail", text, b"1.0", b"why", ""),
        *("fail", text, b"1.0", b"why", "1"),
    ]
    assert wire.settlement_arguments([Retry(ID, b"1.0"), Retry(ID, b"1.0", b"{}", timedelta(seconds=1), b"why")]) == [
        *("retry", text, b"1.0", b"=", "", ""),
        *("retry", text, b"1.0", b"{}", "+1000000", b"why"),
    ]


def test_the_answer_of_an_exchange() -> None:
    other = JobID(int=1)
    exchanged = wire.exchanged(
        [
            b"slb",
            b"1500000",
            [*(WIRE_ID, b"1.0", b"{}", SCORE), *(str(other).encode(), b"1.1", None, SCORE)],
            [[1, b"%d" % (MICROSECONDS - 1), b"2", b"1", b"why"]],
            [],
        ]
    )
    assert exchanged.outcomes == [SettleOutcome.SETTLED, SettleOutcome.CLAIM_LOST, SettleOutcome.BROKEN]
    assert exchanged.until_next == 1.5
    plain, kept = exchanged.claims
    assert (plain.job_id, plain.token, plain.request, plain.due, plain.stored_at) == (ID, b"1.0", b"{}", TIME, TIME)
    assert (plain.recoveries, plain.reset_attempt, plain.error) == (0, False, None)
    assert (kept.job_id, kept.request, kept.stored_at) == (other, None, TIME - timedelta(microseconds=1))
    assert (kept.recoveries, kept.reset_attempt, kept.error) == (2, True, b"why")


def test_the_answer_of_an_exchange_with_lanes() -> None:
    second = WIRE_ID, b"1.1", b"{}", SCORE
    kept = [1, b"%d" % (MICROSECONDS - 1), b"2", b"", None]
    lines = [b"0", b"", b"-3", b"high road"]
    exchanged = wire.exchanged([b"", b"0", [WIRE_ID, b"1.0", b"{}", SCORE, *second], [kept], [], None, lines])
    assert [(each.priority, each.lane) for each in exchanged.claims] == [(0, None), (-3, "high road")]
    assert [each.recoveries for each in exchanged.claims] == [0, 2]
    assert not exchanged.aborts


def test_the_answer_of_an_exchange_that_did_nothing() -> None:
    assert wire.exchanged([b"", None, [], [], []]) == wire.Exchanged([], [], [])


def reply(state: bytes, where: bytes, **changes: bytes | None) -> list[bytes | None]:
    """What `read` returns of a job, with further fields where they are there."""
    names = ("due", "started", "stored", "recoveries", "reset", "error")
    return [WIRE_ID, state, b"{}", where, *(changes.get(name) for name in names)]


def test_a_job_that_waits() -> None:
    for status in (JobStatus.PENDING, JobStatus.PAUSED):
        job = wire.stored_job(reply(status.encode(), SCORE))
        assert job is not None
        assert (job.status, job.due, job.stored_at) == (status, TIME, TIME)
        assert (job.claimed_at, job.worker, job.ended_at) == (None, None, None)


def test_a_job_that_runs() -> None:
    job = wire.stored_job(reply(b"processing", b"worker", due=SCORE, started=b"%d" % (MICROSECONDS + 5)))
    assert job is not None
    assert (job.status, job.worker, job.due) == (JobStatus.PROCESSING, "worker", TIME)
    assert (job.claimed_at, job.ended_at) == (TIME + timedelta(microseconds=5), None)


def test_a_job_that_has_ended() -> None:
    stored = b"%d" % (MICROSECONDS - 7)
    job = wire.stored_job(reply(b"failed", SCORE, stored=stored, recoveries=b"3", reset=b"1", error=b"why"))
    assert job is not None
    assert (job.status, job.ended_at, job.due, job.worker) == (JobStatus.FAILED, TIME, None, None)
    assert (job.stored_at, job.recoveries, job.reset_attempt) == (TIME - timedelta(microseconds=7), 3, True)
    assert job.error == b"why"


def test_a_job_of_a_swift_worker_that_has_not_said_who_it_is() -> None:
    job = wire.stored_job(reply(b"processing", b""))
    assert job is not None
    assert (job.worker, job.claimed_at, job.due) == ("", None, None)


def test_a_job_that_is_absent() -> None:
    assert wire.stored_job([]) is None
