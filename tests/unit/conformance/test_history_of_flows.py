"""Histories of jobs that wait for others: flows and batches are looked at together."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from jobsvalkey_conformance.history.area import check_history
from jobsvalkey_conformance.history.calls import (
    UNANSWERED,
    AnyCall,
    Change,
    CloseBatch,
    Exchange,
    Get,
    OpenWorker,
    Push,
)
from jobsvalkey_conformance.history.checks import left_over, not_linearizable, violations
from jobsvalkey_conformance.history.flows import MOST_JOBS, Flows
from jobsvalkey_conformance.history.record import DRAIN, Event, History

from jobsvalkey.contract import (
    BatchCounts,
    Capability,
    Claim,
    DriverConfiguration,
    Exchanged,
    Fail,
    Finish,
    Input,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    Pushed,
    Settlement,
    SettleOutcome,
    StoredJob,
    StoreOutcome,
)
from tests.support.harnesses import MemoryHarness
from tests.support.retention import KEEP_ALL

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
A, B, C, D = (JobID(int=number) for number in (0xA, 0xB, 0xC, 0xD))
OPEN = (OpenWorker("w", timedelta(hours=1)), None)
Asked = tuple[AnyCall, Any]


def push(number: int, *items: NewJob) -> tuple[Push, Any]:
    pushed = [Pushed(StoreOutcome.STORED, item.job_id) for item in items]
    return Push(items, Operation("producer", number)), pushed


def claim(job_id: JobID, **fields: Any) -> Claim:
    return Claim(job_id, b"%d" % job_id.int, b"x", NOW, NOW, **fields)


def exchange(sequence: int, settled: Settlement | None, *claims: Claim) -> tuple[Exchange, Exchanged]:
    settlements = () if settled is None else (settled,)
    outcomes = [SettleOutcome.SETTLED] * len(settlements)
    return Exchange("w", sequence, settlements, 3), Exchanged(outcomes, [], list(claims))


def finish(job_id: JobID, result: bytes | None = None) -> Finish:
    return Finish(job_id, b"%d" % job_id.int, result)


def close(number: int, job_id: JobID, answer: bool = True) -> tuple[CloseBatch, bool]:
    return CloseBatch(job_id, Operation("producer", number)), answer


def history(*calls: Asked) -> History:
    return History(
        DriverConfiguration(retention_policy=KEEP_ALL),
        [
            Event("client", call, 2 * place, None if answer is UNANSWERED else 2 * place + 1, answer, (NOW,))
            for place, (call, answer) in enumerate(calls)
        ],
    )


FLOW = push(1, NewJob(A, b"x"), NewJob(B, b"x", after=(A,)))
STARTED = (FLOW, OPEN, exchange(1, None, claim(A)))
BATCH = (push(1, NewJob(A, b"x", batch=A), NewJob(B, b"x", batch=A)), OPEN)


def child(status: JobStatus = JobStatus.COMPLETED, result: bytes | None = None) -> Claim:
    return claim(B, after=(A,), inputs=(Input(A, status, result),))


def callback(*counts: int) -> Claim:
    return claim(A, batch=A, members=BatchCounts(*counts))


RIGHT: dict[str, tuple[Asked, ...]] = {
    "let go": (*STARTED, exchange(2, finish(A, b"result"), child(result=b"result"))),
    "let go later": (*STARTED, exchange(2, finish(A)), exchange(3, None, child())),
    "doomed": (
        *(*STARTED, exchange(2, Fail(A, b"10", b"error")), exchange(3, None)),
        (Change(B, "cancel", Operation("producer", 2)), False),
    ),
    "perhaps cancelled": (
        *(*STARTED, (Change(B, "cancel", Operation("other", 1)), UNANSWERED)),
        exchange(2, finish(A)),
        exchange(3, None),
    ),
    "all are done": (
        *(*BATCH, exchange(1, None, claim(B, batch=A)), close(2, A)),
        exchange(2, finish(B), callback(1, 0, 0)),
    ),
}
WRONG: dict[str, tuple[Asked, ...]] = {
    "before its parent": (FLOW, OPEN, exchange(1, None, claim(A), claim(B, after=(A,)))),
    "though its parent failed": (
        *STARTED,
        exchange(2, Fail(A, b"10", b"error"), child(JobStatus.FAILED)),
    ),
    "never let go": (
        *(*STARTED, exchange(2, finish(A)), (Change(B, "resume", Operation("producer", 2)), True)),
        exchange(3, None, child()),
    ),
    "without the result": (*STARTED, exchange(2, finish(A, b"result"), child())),
    "before the last member": (*BATCH, close(2, A), exchange(1, None, callback(0, 0, 0), claim(B, batch=A))),
    "before it is closed": (
        *(*BATCH, exchange(1, None, claim(B, batch=A))),
        exchange(2, finish(B), callback(1, 0, 0)),
    ),
    "a wrong count": (
        *(*BATCH, exchange(1, None, claim(B, batch=A)), close(2, A)),
        exchange(2, finish(B), callback(0, 1, 0)),
    ),
    "closed twice": (*BATCH, close(2, A), close(3, A)),
}


def test_what_holds_jobs_ties_them() -> None:
    tied = history(
        push(1, NewJob(A, b"x"), NewJob(B, b"x", after=(A, JobID(int=1)))),
        push(2, NewJob(C, b"x", batch=C)),
        push(3, NewJob(D, b"x")),
        push(4, NewJob(JobID(int=0xE), b"x", batch=C)),
    )
    assert tied.components == [frozenset({A, B}), frozenset({C, JobID(int=0xE)}), frozenset({D})]


def test_a_push_that_may_be_refused_ties_its_jobs() -> None:
    tied = history(push(1, NewJob(A, b"x"), NewJob(B, b"x", after=(JobID(int=1),))), push(2, NewJob(C, b"x")))
    assert tied.components == [frozenset({A, B}), frozenset({C})]


@pytest.mark.parametrize("calls", RIGHT.values(), ids=RIGHT)
async def test_what_may_happen_is_explained(calls: tuple[Asked, ...]) -> None:
    assert violations(history(*calls)) == []


@pytest.mark.parametrize("calls", WRONG.values(), ids=WRONG)
async def test_what_cannot_happen_is_found(calls: tuple[Asked, ...]) -> None:
    [found] = not_linearizable(history(*calls))
    assert str(A) in found
    assert str(B) in found


def test_what_waits_in_the_end_is_found() -> None:
    ended = StoredJob(job_id=A, status=JobStatus.COMPLETED, request=b"x", stored_at=NOW)
    waiting = StoredJob(job_id=B, status=JobStatus.WAITING, request=b"x", stored_at=NOW)
    events = [
        Event(DRAIN, Get(job_id), place, place + 1, answer, (NOW,))
        for place, (job_id, answer) in enumerate([(B, waiting), (A, ended), (C, None), (B, waiting)])
    ]
    [found] = left_over(History(DriverConfiguration(), events))
    assert str(B) in found
    assert "waiting for ever" in found


def test_no_flow_has_more_jobs_than_can_be_looked_at() -> None:
    flows, random = Flows(frozenset(Capability)), Random(1)
    for number in range(200):
        flows.items(random, f"{number}")
    assert max(len(flow.job_ids) for flow in flows.flows) == MOST_JOBS
    assert flows.callbacks
    all_ids = [job_id for flow in flows.flows for job_id in flow.job_ids]
    assert len(all_ids) == len(set(all_ids))


async def test_histories_have_flows_of_all_kinds() -> None:
    history = await check_history(MemoryHarness, 12, calls=200)
    assert max(map(len, history.components)) == MOST_JOBS
    claims = [one for event, _ in history.answered(Exchange) for one in event.answer.claims]
    assert any(one.inputs and one.inputs[0].result for one in claims)
    assert any(one.members and one.members.completed for one in claims)
    refused = [one for event, _ in history.answered(Push) for one in event.answer if one.reason]
    assert refused
    assert any(event.answer for event, _ in history.answered(CloseBatch))
