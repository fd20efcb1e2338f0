"""Histories of jobs that are tied by a unique name: they are looked at together."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jobsvalkey_conformance.history.calls import UNANSWERED, AnyCall, Change, Exchange, OpenWorker, Push
from jobsvalkey_conformance.history.checks import lost_or_unexpected, not_linearizable, violations
from jobsvalkey_conformance.history.record import Event, History

from jobsvalkey.contract import (
    Claim,
    DriverConfiguration,
    Exchanged,
    JobID,
    NewJob,
    Operation,
    Pushed,
    StoreOutcome,
    Unique,
)
from tests.support.retention import KEEP_ALL

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
A, B, C = (JobID(int=number) for number in (0xA, 0xB, 0xC))
OPEN = (OpenWorker("w", timedelta(hours=1)), None)
SKIP, REPLACE = Unique("name"), Unique("name", otherwise="replace")


def push(number: int, job_id: JobID, unique: Unique | None, outcome: StoreOutcome, stands: JobID) -> tuple[Push, Any]:
    item = NewJob(job_id, b"%d" % number, unique=unique)
    return Push((item,), Operation("producer", number)), [Pushed(outcome, stands)]


def claims(sequence: int, limit: int, *jobs: tuple[JobID, bytes, Unique | None]) -> tuple[Exchange, Exchanged]:
    shown = [Claim(job_id, b"%d" % job_id.int, request, NOW, NOW, unique=unique) for job_id, request, unique in jobs]
    return Exchange("w", sequence, (), limit), Exchanged([], [], shown)


def cancel(number: int, job_id: JobID) -> tuple[Change, bool]:
    return Change(job_id, "cancel", Operation("producer", number)), True


def history(*calls: tuple[AnyCall, Any]) -> History:
    return History(
        DriverConfiguration(retention_policy=KEEP_ALL),
        [
            Event("client", call, 2 * place, None if answer is UNANSWERED else 2 * place + 1, answer, (NOW,))
            for place, (call, answer) in enumerate(calls)
        ],
    )


def test_jobs_of_one_name_are_together() -> None:
    tied = history(
        push(1, A, SKIP, StoreOutcome.STORED, A),
        push(2, B, SKIP, StoreOutcome.DUPLICATE, A),
        push(3, C, None, StoreOutcome.STORED, C),
    )
    assert tied.components == [frozenset({A, B}), frozenset({C})]


RIGHT = {
    "held": (push(1, A, SKIP, StoreOutcome.STORED, A), push(2, B, SKIP, StoreOutcome.DUPLICATE, A)),
    "freed": (
        *(push(1, A, SKIP, StoreOutcome.STORED, A), cancel(2, A)),
        *(push(3, B, SKIP, StoreOutcome.STORED, B), OPEN, claims(1, 2, (B, b"3", SKIP))),
    ),
    "replaced": (
        *(push(1, A, SKIP, StoreOutcome.STORED, A), push(2, B, REPLACE, StoreOutcome.REPLACED, A)),
        *(OPEN, claims(1, 2, (A, b"2", REPLACE))),
    ),
    "together": (
        *(push(1, A, Unique("name", "start"), StoreOutcome.STORED, A), OPEN),
        *(claims(1, 1, (A, b"1", Unique("name", "start"))), push(2, B, SKIP, StoreOutcome.STORED, B)),
        claims(2, 2, (B, b"2", SKIP)),
    ),
    "perhaps freed": (
        push(1, A, SKIP, StoreOutcome.STORED, A),
        (Change(A, "cancel", Operation("other", 1)), UNANSWERED),
        push(2, B, SKIP, StoreOutcome.STORED, B),
    ),
}
WRONG = {
    "two at a time": (push(1, A, SKIP, StoreOutcome.STORED, A), push(2, B, SKIP, StoreOutcome.STORED, B)),
    "held by nobody": (
        *(push(1, A, SKIP, StoreOutcome.STORED, A), cancel(2, A)),
        push(3, B, SKIP, StoreOutcome.DUPLICATE, A),
    ),
    "another holder": (push(1, A, SKIP, StoreOutcome.STORED, A), push(2, B, SKIP, StoreOutcome.DUPLICATE, B)),
    "not replaced": (
        *(push(1, A, SKIP, StoreOutcome.STORED, A), push(2, B, REPLACE, StoreOutcome.REPLACED, A)),
        *(OPEN, claims(1, 2, (A, b"1", SKIP))),
    ),
    "replaced while it runs": (
        *(push(1, A, SKIP, StoreOutcome.STORED, A), OPEN, claims(1, 1, (A, b"1", SKIP))),
        push(2, B, REPLACE, StoreOutcome.REPLACED, A),
    ),
}


@pytest.mark.parametrize("calls", RIGHT.values(), ids=RIGHT)
async def test_what_may_happen_is_explained(calls: tuple[tuple[AnyCall, Any], ...]) -> None:
    found = violations(history(*calls))
    assert [each for each in found if "is lost" not in each] == []


@pytest.mark.parametrize("calls", WRONG.values(), ids=WRONG)
async def test_what_cannot_happen_is_found(calls: tuple[tuple[AnyCall, Any], ...]) -> None:
    [found] = not_linearizable(history(*calls))
    assert str(A) in found
    assert str(B) in found


def test_a_request_that_nobody_pushed_under_the_name_is_unexpected() -> None:
    pushes = push(1, A, SKIP, StoreOutcome.STORED, A), push(2, B, REPLACE, StoreOutcome.REPLACED, A)
    assert list(lost_or_unexpected(history(*pushes, claims(1, 1, (A, b"2", REPLACE))))) == []
    [found] = lost_or_unexpected(history(*pushes, claims(1, 1, (A, b"3", REPLACE))))
    assert "nobody gave it" in found
