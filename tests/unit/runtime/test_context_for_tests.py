"""A handler can be called by itself, with a context that a test makes."""

import logging
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from jobsvalkey import JobContext, JobID

MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_a_handler_is_called_with_nothing_but_its_parameters_and_a_context() -> None:
    async def handler(parameters: str, context: JobContext) -> None:
        context.logger.info("%s", parameters)
        assert not context.cancelled

    await handler("text", JobContext.for_test())


def test_it_tells_what_it_was_given(caplog: pytest.LogCaptureFixture) -> None:
    job_id = uuid4()
    context = JobContext.for_test(
        "mail", job_id=job_id, attempt=3, max_attempts=3, queued_at=MOMENT, trace={"a": "b"}, cancelled=True
    )
    assert (context.name, context.job_id, context.attempt, context.is_last_attempt) == ("mail", job_id, 3, True)
    assert (context.queued_at, context.scheduled_at, context.next_scheduled_at) == (MOMENT, None, None)
    assert (dict(context.trace), context.cancelled, context.claim_lost) == ({"a": "b"}, True, False)
    with caplog.at_level(logging.INFO, "jobsvalkey.job"):
        context.logger.info("hello")
    assert caplog.records[0].__dict__["job_name"] == "mail"


def test_by_default_it_is_the_first_of_several_runs() -> None:
    context = JobContext.for_test()
    assert (context.attempt, context.is_last_attempt, context.cancelled, context.claim_lost) == (1, False, False, False)
    assert isinstance(context.job_id, JobID)
    assert JobContext.for_test().job_id != context.job_id


def test_a_scheduled_job_and_a_lost_claim() -> None:
    context = JobContext.for_test(scheduled_at=MOMENT, claim_lost=True)
    assert (context.scheduled_at, context.queued_at, context.next_scheduled_at) == (MOMENT, MOMENT, MOMENT)
    assert (context.cancelled, context.claim_lost) == (True, True)


@pytest.mark.parametrize("wrong", [{"job_id": "no uuid"}, {"queued_at": datetime(2026, 1, 1)}])  # noqa: DTZ001
def test_what_no_job_has_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        JobContext.for_test(**wrong)
