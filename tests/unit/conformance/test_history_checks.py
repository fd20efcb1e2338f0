"""Each checker of histories, on a history that is right and on ones that are wrong in one way each."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jobsvalkey_conformance.context import ConformanceWarning
from jobsvalkey_conformance.history.calls import (
    UNANSWERED,
    AnyCall,
    Change,
    Clean,
    Exchange,
    Get,
    OpenWorker,
    Push,
    Recover,
    Renew,
)
from jobsvalkey_conformance.history.checks import (
    lost_or_unexpected,
    not_linearizable,
    out_of_order,
    overtaken,
    recovered_by_the_stalled,
    settled_twice,
    torn_batches,
    used_twice,
    violations,
)
from jobsvalkey_conformance.history.record import Event, History
from msgspec.structs import replace

from jobsvalkey.contract import (
    Claim,
    DriverConfiguration,
    Exchanged,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    Pushed,
    Renewed,
    Retry,
    SettleOutcome,
    StoredJob,
    StoreOutcome,
)
from tests.support.retention import KEEP_ALL

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
A, B = JobID(int=0xA), JobID(int=0xB)
HOUR = timedelta(hours=1)


def operation(number: int) -> Operation:
    return Operation("producer", number)


def push(number: int, *job_ids: JobID) -> Push:
    return Push(tuple(NewJob(job_id, b"request") for job_id in job_ids), operation(number))


def stored(*job_ids: JobID) -> list[Pushed]:
    return [Pushed(StoreOutcome.STORED, job_id) for job_id in job_ids]


def claim(job_id: JobID, token: bytes, **changes: Any) -> Claim:
    shown: dict[str, Any] = {"request": b"request", "due": NOW, "stored_at": NOW} | changes
    return Claim(job_id, token, **shown)


def claimed(*claims: Claim) -> Exchanged:
    return Exchanged([], [], list(claims))


def settled(*outcomes: SettleOutcome) -> Exchanged:
    return Exchanged(list(outcomes), [], [])


def history(*calls: tuple[AnyCall, Any], times: tuple[datetime, ...] = (NOW,)) -> History:
    """One call after the other; `UNANSWERED` for an answer that never came."""
    return History(
        DriverConfiguration(retention_policy=KEEP_ALL),
        [
            Event("client", call, 2 * place, None if answer is UNANSWERED else 2 * place + 1, answer, times)
            for place, (call, answer) in enumerate(calls)
        ],
    )


OPEN = (OpenWorker("w", HOUR), None)
PUSH_A = (push(1, A), stored(A))
CLAIM_A = (Exchange("w", 1, (), 1), claimed(claim(A, b"a")))
FINISH_A = (Exchange("w", 2, (Finish(A, b"a"),)), settled(SettleOutcome.SETTLED))


async def test_a_right_history_has_no_violations() -> None:
    done = StoredJob(job_id=A, status=JobStatus.COMPLETED, request=b"request", stored_at=NOW, ended_at=NOW)
    assert violations(history(OPEN, PUSH_A, CLAIM_A, CLAIM_A, FINISH_A, FINISH_A, (Get(A), done))) == []


# -- unique tokens


def test_a_token_may_be_shown_again_by_a_repeat() -> None:
    assert list(used_twice(history(PUSH_A, CLAIM_A, CLAIM_A))) == []


@pytest.mark.parametrize("job_id", [A, B])
def test_a_token_names_one_claim(job_id: JobID) -> None:
    [found] = used_twice(history(PUSH_A, CLAIM_A, (Exchange("w", 2, (), 1), claimed(claim(job_id, b"a")))))
    assert "names two claims" in found


def test_two_workers_may_use_the_same_token() -> None:
    assert list(used_twice(history(PUSH_A, CLAIM_A, (Exchange("v", 1, (), 1), claimed(claim(B, b"a")))))) == []


# -- queue and total queue


def test_what_is_claimed_was_pushed() -> None:
    [found] = lost_or_unexpected(history(CLAIM_A))
    assert "nobody had pushed it" in found


def test_what_is_claimed_has_the_request_that_was_pushed() -> None:
    wrong = claimed(claim(A, b"a", request=b"another"))
    [found] = lost_or_unexpected(history(PUSH_A, (Exchange("w", 1, (), 1), wrong)))
    assert "a request that nobody gave it" in found


def test_a_retry_may_give_a_job_another_request() -> None:
    retry = (Exchange("w", 2, (Retry(A, b"a", b"another"),)), settled(SettleOutcome.SETTLED))
    again = (Exchange("w", 3, (), 1), claimed(claim(A, b"b", request=b"another")))
    assert list(lost_or_unexpected(history(PUSH_A, CLAIM_A, retry, again))) == []


def test_an_acknowledged_push_is_claimed_in_the_end() -> None:
    [found] = lost_or_unexpected(history(PUSH_A))
    assert "is lost" in found


@pytest.mark.parametrize("answer", [True, UNANSWERED])
def test_or_somebody_took_it_out(answer: Any) -> None:
    assert list(lost_or_unexpected(history(PUSH_A, (Change(A, "cancel", operation(2)), answer)))) == []


def test_an_unacknowledged_push_or_a_duplicate_may_be_claimed_or_not() -> None:
    duplicate = (push(2, B), [Pushed(StoreOutcome.DUPLICATE, B)])
    assert list(lost_or_unexpected(history((push(1, A), UNANSWERED), duplicate))) == []


@pytest.mark.parametrize(("status", "lost"), [(JobStatus.PENDING, 0), (JobStatus.COMPLETED, 1)])
def test_a_cleanup_of_pending_jobs_may_have_taken_what_was_never_claimed(status: JobStatus, lost: int) -> None:
    clean = (Clean(250, status, JobCleanup.remove(), False, operation(2)), 1)
    assert len(list(lost_or_unexpected(history(PUSH_A, clean)))) == lost


# -- settlements


def test_no_two_settlements_of_a_claim() -> None:
    again = (Exchange("w", 3, (Fail(A, b"a", b"error"),)), settled(SettleOutcome.SETTLED))
    [found] = settled_twice(history(PUSH_A, CLAIM_A, FINISH_A, again))
    assert "settled again" in found


def test_not_in_one_exchange_either() -> None:
    both = (Exchange("w", 2, (Finish(A, b"a"), Finish(A, b"a"))), settled(SettleOutcome.SETTLED, SettleOutcome.SETTLED))
    assert len(list(settled_twice(history(PUSH_A, CLAIM_A, both)))) == 1


def test_a_repeat_of_the_exchange_is_no_second_settlement() -> None:
    lost = (Exchange("w", 3, (Finish(A, b"a"),)), settled(SettleOutcome.CLAIM_LOST))
    assert list(settled_twice(history(PUSH_A, CLAIM_A, FINISH_A, FINISH_A, lost))) == []


# -- order


def test_claims_go_by_due_time_and_id() -> None:
    early, late = claim(A, b"a", due=NOW - HOUR), claim(B, b"b")
    assert list(out_of_order(history((Exchange("w", 1, (), 2), claimed(early, late))))) == []
    for wrong in ((late, early), (claim(B, b"b"), claim(A, b"a"))):
        [found] = out_of_order(history((Exchange("w", 1, (), 2), claimed(*wrong))))
        assert "not in the order" in found


def test_nothing_is_claimed_early() -> None:
    soon = (Exchange("w", 1, (), 1), claimed(claim(A, b"a", due=NOW + timedelta(seconds=1))))
    [found] = out_of_order(history(soon))
    assert "before it is due" in found
    assert list(out_of_order(history(soon, times=(NOW, NOW + HOUR)))) == []


def test_no_more_is_claimed_than_was_asked_for() -> None:
    [found] = out_of_order(history((Exchange("w", 1, (), 1), claimed(claim(A, b"a"), claim(B, b"b")))))
    assert "more jobs" in found


# -- order across claims

CLAIM_B = (Exchange("v", 1, (), 1), claimed(claim(B, b"b")))


def test_what_waits_is_not_overtaken() -> None:
    both = (push(1, A, B), stored(A, B))
    assert list(overtaken(history(both, CLAIM_A, CLAIM_B))) == []
    [found] = overtaken(history(both, CLAIM_B, CLAIM_A))
    assert f"job {A} waits" in found
    assert f"claims=[Claim(job_id={B!r}" in found


def test_the_due_time_goes_before_the_id() -> None:
    claim_later = (Exchange("w", 1, (), 1), claimed(claim(A, b"a", due=NOW + HOUR)))
    both = (push(1, A, B), stored(A, B))
    assert list(overtaken(history(both, CLAIM_B, claim_later))) == []
    [found] = overtaken(history(both, claim_later, CLAIM_B))
    assert f"job {B} waits" in found


def test_what_was_put_back_waits_again() -> None:
    retry = (Exchange("w", 2, (Retry(A, b"a"),)), settled(SettleOutcome.SETTLED))
    again = (Exchange("w", 3, (), 1), claimed(claim(A, b"c")))
    assert len(list(overtaken(history((push(1, A, B), stored(A, B)), CLAIM_A, retry, CLAIM_B, again)))) == 1


RESUMED = (Change(A, "resume", operation(3)), True)
UNCERTAIN: dict[str, tuple[tuple[AnyCall, Any], ...]] = {
    "it was not there yet": (CLAIM_B, PUSH_A, CLAIM_A),
    "its push was not answered before": ((push(1, A), UNANSWERED), CLAIM_B, PUSH_A, CLAIM_A),
    "it was paused meanwhile": (PUSH_A, (Change(A, "pause", operation(2)), True), CLAIM_B, RESUMED, CLAIM_A),
    "it was touched afterwards": (PUSH_A, CLAIM_B, RESUMED, CLAIM_A),
    "a recovery may have put it back": (PUSH_A, CLAIM_A, CLAIM_B, (Recover(1), 1), CLAIM_A),
    "its own worker had it": (
        PUSH_A,
        CLAIM_A,
        CLAIM_B,
        (Exchange("w", 2, (Retry(A, b"a"),), 1), Exchanged([SettleOutcome.SETTLED], [], [claim(A, b"c")])),
    ),
    "the other was claimed earlier, and this is the repeat": (
        (Exchange("v", 1, (), 1), UNANSWERED),
        PUSH_A,
        CLAIM_B,
        CLAIM_A,
    ),
    "it was claimed earlier, and this is the repeat": (
        PUSH_A,
        (Exchange("w", 1, (), 1), UNANSWERED),
        CLAIM_B,
        CLAIM_A,
    ),
    "another may have claimed it and put it back": (PUSH_A, (Exchange("u", 1, (), 1), UNANSWERED), CLAIM_B, CLAIM_A),
}


@pytest.mark.parametrize("calls", UNCERTAIN.values(), ids=UNCERTAIN.keys())
def test_only_what_certainly_waited_is_overtaken(calls: tuple[tuple[AnyCall, Any], ...]) -> None:
    assert list(overtaken(history((push(9, B), stored(B)), *calls))) == []


# -- batches


def test_an_unanswered_batch_is_there_or_is_not() -> None:
    lost_answer = (push(1, A, B), UNANSWERED)
    claim_b = (Exchange("w", 2, (), 1), claimed(claim(B, b"b")))
    assert list(torn_batches(history(lost_answer))) == []
    assert list(torn_batches(history(lost_answer, CLAIM_A, claim_b))) == []
    [found] = torn_batches(history(lost_answer, CLAIM_A))
    assert "in part" in found


def test_a_batch_whose_repeat_was_answered_is_judged_by_that() -> None:
    assert list(torn_batches(history((push(1, A, B), UNANSWERED), (push(1, A, B), stored(A, B)), CLAIM_A))) == []


# -- linearizability: what the checks above cannot see

PENDING_A = StoredJob(job_id=A, status=JobStatus.PENDING, request=b"request", stored_at=NOW, due=NOW)
PAUSED = (Change(A, "pause", operation(2)), True)
UNSEEN: dict[str, tuple[tuple[AnyCall, Any], ...]] = {
    "a paused job is claimed": (OPEN, PUSH_A, PAUSED, CLAIM_A),
    "a job is pushed twice": (PUSH_A, (push(2, A), stored(A))),
    "a running job is cancelled": (OPEN, PUSH_A, CLAIM_A, (Change(A, "cancel", operation(2)), True)),
    "a job is claimed by two at once": (
        OPEN,
        (OpenWorker("v", HOUR), None),
        PUSH_A,
        CLAIM_A,
        (Exchange("v", 1, (), 1), claimed(claim(A, b"b"))),
    ),
    "a live worker's job is recovered": (
        OPEN,
        PUSH_A,
        CLAIM_A,
        (Recover(1000), 1),
        (Renew("w", HOUR), Renewed(frozenset())),
    ),
    "a pending job is forgotten": (PUSH_A, (Get(A), None)),
    "a finished job is pending": (
        OPEN,
        PUSH_A,
        CLAIM_A,
        FINISH_A,
        (Get(A), PENDING_A),
    ),
    "a lost claim is settled": (
        OPEN,
        PUSH_A,
        CLAIM_A,
        (Clean(250, JobStatus.PROCESSING, JobCleanup.RERUN, False, operation(2)), 1),
        (Get(A), replace(PENDING_A, reset_attempt=True)),
        FINISH_A,
    ),
    "recoveries are counted without one": (
        OPEN,
        PUSH_A,
        (Exchange("w", 1, (), 1), claimed(claim(A, b"a", recoveries=1))),
    ),
}


@pytest.mark.parametrize("calls", UNSEEN.values(), ids=UNSEEN.keys())
async def test_what_no_order_explains_is_found(calls: tuple[tuple[AnyCall, Any], ...]) -> None:
    [found] = not_linearizable(history(*calls))
    assert f"the history of job {A} cannot be explained" in found


async def test_the_explanation_shows_the_steps_that_cannot_both_be() -> None:
    noise = (Change(A, "resume", operation(5)), True)
    [found] = not_linearizable(history(OPEN, PUSH_A, PAUSED, noise, PAUSED, CLAIM_A, FINISH_A))
    shown = found.splitlines()[1:]
    assert [line.split("client: ")[1].partition("(")[0] for line in shown] == ["Change", "Exchange"]


async def test_steps_on_several_jobs_are_taken_apart() -> None:
    both = (push(1, A, B), stored(A, B))
    claims = (Exchange("w", 1, (), 2), claimed(claim(A, b"a"), claim(B, b"b")))
    settle = (
        Exchange("w", 2, (Finish(A, b"a"), Finish(B, b"b"))),
        settled(SettleOutcome.SETTLED, SettleOutcome.CLAIM_LOST),
    )
    [found] = not_linearizable(history(OPEN, both, claims, settle))
    assert f"job {B}" in found
    assert f"{A}" not in found


# -- recoveries


@pytest.mark.parametrize(
    ("calls", "recovered", "is_wrong"),
    [
        ([OPEN], 1, False),
        ([(OpenWorker("w", timedelta(0)), None)], 1, True),
        ([(OpenWorker("w", timedelta(0)), None)], 0, False),
        ([(OpenWorker("w", timedelta(0)), None), OPEN], 1, False),
        ([], 1, True),
    ],
    ids=["lock", "run out", "nothing done", "renewed", "not known"],
)
def test_a_worker_without_a_lock_recovers_nothing_in_its_name(
    calls: list[tuple[AnyCall, Any]], recovered: int, is_wrong: bool
) -> None:
    found = list(recovered_by_the_stalled(history(*calls, (Recover(10, "w"), recovered))))
    assert len(found) == is_wrong
    assert list(recovered_by_the_stalled(history(*calls, (Recover(10), recovered)))) == []


# -- searches that end without a verdict


async def test_a_history_that_is_not_decided_is_a_warning() -> None:
    with pytest.warns(ConformanceWarning, match="^1 of 1 histories of jobs were not decided within 1 states$"):
        assert list(not_linearizable(history(OPEN, PUSH_A, CLAIM_A, FINISH_A), 1)) == []
    assert list(not_linearizable(history(OPEN, PUSH_A, CLAIM_A, FINISH_A), 100)) == []
