from datetime import UTC, datetime, timedelta, timezone

import pytest

from jobsvalkey import PayloadTooLarge, PushTooLarge, UnsupportedOperation, new_job_id
from jobsvalkey.contract import (
    Capability,
    DriverConfiguration,
    Due,
    NewJob,
    Report,
    aware,
    check_due,
    check_expiry,
    check_metadata_key,
    check_push,
    check_reports,
    check_request,
)

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
HUNDRED_YEARS = timedelta(days=36_500)
EAST, WEST = timezone(timedelta(hours=9)), timezone(timedelta(hours=-9))
SMALL = DriverConfiguration(max_payload=10, max_atomic_push=3, max_atomic_push_bytes=25)


@pytest.mark.parametrize(
    "due",
    [
        *(None, timedelta(0), timedelta(days=1), HUNDRED_YEARS, NOON, NOON.astimezone(EAST)),
        *(datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_times_that_a_job_may_have(due: Due) -> None:
    assert check_due(due) is due


@pytest.mark.parametrize(
    "due",
    [
        *(HUNDRED_YEARS + timedelta(microseconds=1), timedelta.max),
        *(datetime.max.replace(tzinfo=zone) for zone in (UTC, EAST, WEST)),
        *(datetime.min.replace(tzinfo=zone) for zone in (UTC, EAST, WEST)),
    ],
)
def test_times_that_no_store_can_hold(due: Due) -> None:
    with pytest.raises(ValueError, match=r"due is .*36,500 days.*years 2 to 9998.*queue\.pause"):
        check_due(due)


def test_times_that_it_may_not_have() -> None:
    with pytest.raises(ValueError, match=r"due is a naive datetime \(2025-01-01 12:00:00\)"):
        check_due(NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="a delay is not negative"):
        check_due(timedelta(microseconds=-1))
    with pytest.raises(ValueError, match="until is -1 day"):
        check_due(timedelta(days=-1), "until")


def test_a_naive_datetime_is_told_by_its_name() -> None:
    assert aware(NOON, "start") is NOON
    with pytest.raises(ValueError, match="start is a naive datetime"):
        aware(NOON.replace(tzinfo=None), "start")


def test_the_size_of_a_request() -> None:
    job_id = new_job_id()
    assert check_request(b"x" * 10, job_id, SMALL) == 10
    with pytest.raises(PayloadTooLarge, match=rf"job {job_id} has 11 bytes, more than max_payload \(10\)"):
        check_request(b"x" * 11, job_id, SMALL)


def jobs(*sizes: int) -> list[NewJob]:
    return [NewJob(new_job_id(), b"x" * size) for size in sizes]


@pytest.mark.parametrize("sizes", [(), (0,), (10, 10, 5)])
def test_a_push_within_the_limits(sizes: tuple[int, ...]) -> None:
    assert check_push(jobs(*sizes), SMALL) == sum(sizes)


@pytest.mark.parametrize("sizes", [(0, 0, 0, 0), (10, 10, 6)])
def test_a_push_beyond_them(sizes: tuple[int, ...]) -> None:
    with pytest.raises(PushTooLarge, match="use atomic=False, or smaller pushes"):
        check_push(jobs(*sizes), SMALL)


def test_one_job_of_a_push_is_too_large_or_naive() -> None:
    with pytest.raises(PayloadTooLarge):
        check_push(jobs(1, 11), SMALL)
    with pytest.raises(ValueError, match="naive"):
        check_push([*jobs(1), NewJob(new_job_id(), b"", NOON.replace(tzinfo=None))], SMALL)


@pytest.mark.parametrize("key", ["key", "a b", "workers", "default.tick.jobScheduleLastDate", "worker", "é"])
def test_keys_that_a_user_may_use(key: str) -> None:
    assert check_metadata_key(key, "jobQueue") == key


@pytest.mark.parametrize("key", ["", "_", "_locks", "worker.", "worker.1"])
def test_keys_that_are_ours(key: str) -> None:
    with pytest.raises(ValueError, match="is not a metadata key"):
        check_metadata_key(key, "jobQueue")


SCHEDULERS = ["{}.jobSchedulerLock", "{}.Tick.jobScheduleLastDate", "{}._Jobs_Cleanup.with.dots.jobScheduleLastDate"]


@pytest.mark.parametrize("queue_key", ["_hbJobQueue", "jobQueue", "_", "_.x", "_claims", "_workers", "worker_"])
@pytest.mark.parametrize("pattern", SCHEDULERS)
def test_a_scheduler_bears_its_queues_key_but_where_it_would_meet_the_drivers_own(queue_key: str, pattern: str) -> None:
    key = pattern.format(queue_key)
    if queue_key == "_claims":
        with pytest.raises(ValueError, match="is not a metadata key"):
            check_metadata_key(key, queue_key)
        return
    assert check_metadata_key(key, queue_key) == key
    if queue_key.startswith("_"):
        for other in (f"{key}.more", f"{queue_key}.other", queue_key, f"x{key[1:]}".replace("x", "_x")):
            with pytest.raises(ValueError, match="is not a metadata key"):
                check_metadata_key(other, queue_key)


@pytest.mark.parametrize("expires_in", [timedelta(0), timedelta(seconds=-1), timedelta(days=36_501), timedelta.max])
def test_how_long_a_lock_cannot_be_held(expires_in: timedelta) -> None:
    with pytest.raises(ValueError, match="expires_in is a time above zero, up to 36,500 days"):
        check_expiry(expires_in)


def test_how_long_a_lock_can_be_held() -> None:
    for expires_in in (timedelta(microseconds=1), timedelta(days=36_500)):
        assert check_expiry(expires_in) == expires_in


REPORTS = frozenset({Capability.REPORTS})


@pytest.mark.parametrize("report", [{"progress": b"x" * 1024}, {"state": b"x" * 10}, {"progress": b"", "state": b""}])
def test_reports_that_a_store_takes(report: dict[str, bytes]) -> None:
    check_reports([Report(new_job_id(), b"token", **report)], SMALL, REPORTS)


@pytest.mark.parametrize(
    ("report", "kind", "message"),
    [
        ({"progress": b"x" * 1025}, PayloadTooLarge, "has 1,025 bytes, more than the 1,024 that it may have"),
        ({"state": b"x" * 11}, PayloadTooLarge, "has 11 bytes, more than the 10 that it may have"),
        ({"state": "text"}, TypeError, "the state of job .* is of type str, not bytes"),
        ({"progress": bytearray(b"1")}, TypeError, "the progress of job .* is of type bytearray, not bytes"),
        ({}, ValueError, "neither a progress nor a state"),
    ],
)
def test_reports_that_none_takes(report: dict[str, bytes], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        check_reports([Report(new_job_id(), b"token", **report)], SMALL, REPORTS)


def test_reports_to_a_driver_that_takes_none() -> None:
    check_reports([], SMALL, frozenset())
    with pytest.raises(UnsupportedOperation, match="use one with the capability 'reports'"):
        check_reports([Report(new_job_id(), b"token", b"1")], SMALL, frozenset())
