"""A job that Swift has pushed for later has no envelope: when it was stored is when it was pushed."""

from datetime import UTC, datetime, timedelta

import pytest

from jobsvalkey import JobRecord, JobStatus, new_job_id
from jobsvalkey.contract import StoredJob
from jobsvalkey.runtime.codec import RequestEncoder

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def stored(request: bytes | None, stored_at: datetime) -> StoredJob:
    return StoredJob(
        job_id=new_job_id(), status=JobStatus.PENDING, request=request, stored_at=stored_at, due=NOW + HOUR
    )


def pushed(queued_at: datetime) -> bytes:
    return RequestEncoder()("job", 1, queued_at)


@pytest.mark.parametrize(
    ("request_", "stored_at", "shown"),
    [
        (pushed(NOW - HOUR), NOW + HOUR, NOW - HOUR),
        (pushed(NOW - 2 * HOUR), NOW - HOUR, NOW - HOUR),
        (pushed(NOW + 2 * HOUR), NOW + HOUR, NOW + HOUR),
        (b"unreadable", NOW + HOUR, NOW + HOUR),
        (None, NOW + HOUR, NOW + HOUR),
    ],
    ids=["pushed for later", "with an envelope", "by a clock that is ahead", "unreadable", "lost"],
)
def test_a_job_was_not_stored_in_the_future(request_: bytes | None, stored_at: datetime, shown: datetime) -> None:
    assert JobRecord.from_stored(stored(request_, stored_at), NOW).stored_at == shown
