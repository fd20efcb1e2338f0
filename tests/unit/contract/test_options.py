from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsvalkey import (
    DO_NOT_RETAIN,
    RETAIN,
    CleanupParameters,
    JobCleanup,
    JobName,
    Retention,
    RetentionPolicy,
    ValkeyConfiguration,
    retain_for,
    retain_last,
)
from jobsvalkey.contract import DriverConfiguration, OrphanedCleanupParameters

ZERO, SECOND = timedelta(0), timedelta(seconds=1)


def test_what_each_retention_keeps() -> None:
    assert Retention(max_age=None, max_count=None) == RETAIN
    assert retain_last(0) == DO_NOT_RETAIN
    assert [each.keeps for each in (RETAIN, DO_NOT_RETAIN, retain_last(1), retain_for(SECOND))] == [
        *(True, False, True, True)
    ]


@pytest.mark.parametrize("age", [ZERO, -SECOND])
def test_an_age_of_nothing(age: timedelta) -> None:
    with pytest.raises(ValueError, match="retain_for takes a time above zero"):
        retain_for(age)


def test_a_number_below_zero() -> None:
    with pytest.raises(ValueError, match="retain_last takes a number from 0, not -1"):
        retain_last(-1)


def test_by_default_failed_jobs_are_kept_and_no_others() -> None:
    assert RetentionPolicy() == RetentionPolicy(
        completed_jobs=DO_NOT_RETAIN, failed_jobs=RETAIN, cancelled_jobs=DO_NOT_RETAIN
    )


def test_what_each_cleanup_does() -> None:
    assert JobCleanup("nothing") == JobCleanup.DO_NOTHING
    assert JobCleanup.RERUN == JobCleanup.rerun() == JobCleanup("rerun")
    assert JobCleanup.remove() == JobCleanup("remove", None)
    assert JobCleanup.remove(max_age=SECOND) == JobCleanup("remove", SECOND)
    assert CleanupParameters() == CleanupParameters(pending_jobs=JobCleanup.DO_NOTHING, only_orphans=False)


@pytest.mark.parametrize("state", ["pending", "paused"])
def test_what_has_not_run_cannot_be_rerun(state: str) -> None:
    states: dict[str, Any] = {f"{state}_jobs": JobCleanup.rerun(max_age=SECOND)}
    with pytest.raises(ValueError, match=f"{state} jobs cannot be rerun"):
        CleanupParameters(**states)


def test_the_parameters_of_a_cleanup_can_be_stored_as_a_job() -> None:
    parameters = CleanupParameters(
        completed_jobs=JobCleanup.remove(max_age=timedelta(days=7)), failed_jobs=JobCleanup.RERUN, only_orphans=True
    )
    assert msgspec.json.decode(msgspec.json.encode(parameters), type=CleanupParameters) == parameters


@given(age=st.timedeltas(min_value=timedelta(0)), action=st.sampled_from(["nothing", "rerun", "remove"]))
def test_a_cleanup_is_read_as_it_was_written(age: timedelta, action: Any) -> None:
    cleanup = JobCleanup(action, age)
    assert (cleanup.action, cleanup.max_age) == (action, age)
    assert msgspec.json.decode(msgspec.json.encode(cleanup), type=JobCleanup) == cleanup
    assert repr(cleanup) == f"JobCleanup(action={action!r}, max_age={age!r})"


@pytest.mark.parametrize(
    ("age", "known"),
    [
        ("[195,2884905626637434880]", timedelta(hours=1)),
        ("[32786,5048799358640717824]", timedelta(weeks=1)),
        ("[0,1]", timedelta(0)),
        ("[-1,16446744073709551616]", timedelta(0)),
        ("[9223372036854775807,18446744073709551615]", timedelta.max),
        ("null", None),
    ],
)
def test_every_age_of_swift_can_be_read(age: str, known: timedelta | None) -> None:
    """It is cut to what there is: jobs are neither younger than new nor older than all time."""
    cleanup = msgspec.json.decode(f'{{"rawValue":{{"remove":{{"maxAge":{age}}}}}}}', type=JobCleanup)
    assert cleanup.max_age == known


@pytest.mark.parametrize(
    "spelled", ["{}", '{"remove":{},"rerun":{}}', '{"other":{}}', '{"remove":{"age":1}}', '{"remove":{"maxAge":[1]}}']
)
def test_a_cleanup_that_says_anything_else_is_refused(spelled: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(f'{{"rawValue":{spelled}}}', type=JobCleanup)


def test_no_limit_is_a_number_that_swift_can_read() -> None:
    for parameters in (OrphanedCleanupParameters(), OrphanedCleanupParameters(max_jobs=None)):
        assert msgspec.json.encode(parameters) == b'{"maxJobsToProcess":9223372036854775807}'


@pytest.mark.parametrize("kind", [CleanupParameters, OrphanedCleanupParameters])
def test_a_cleanup_that_is_written_otherwise_is_refused(kind: type[Any]) -> None:
    """It must not be run as one that does nothing."""
    with pytest.raises(msgspec.ValidationError, match="completedJobs"):
        msgspec.json.decode(b'{"completedJobs":{"remove":{}}}', type=kind)


@pytest.mark.parametrize("configuration", [DriverConfiguration, ValkeyConfiguration])
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"queue_key": ""}, "queue_key"),
        ({"queue_key": "mail "}, "queue_key"),
        ({"queue_key": "\tmail"}, "queue_key"),
        ({"poll_time": ZERO}, "poll_time"),
        ({"idempotency_window": ZERO}, "idempotency_window"),
        ({"max_payload": 0}, "max_payload"),
        ({"max_atomic_push": 0}, "max_atomic_push"),
        ({"max_atomic_push_bytes": 0}, "max_atomic_push_bytes"),
    ],
)
def test_a_value_out_of_range(configuration: Any, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text} is "):
        configuration(**changes)


@pytest.mark.parametrize("name", ["operation_timeout", "unowned_grace"])
def test_a_time_that_may_be_zero(name: str) -> None:
    times: dict[str, Any] = {name: ZERO}
    assert getattr(ValkeyConfiguration(**times), name) == ZERO
    times[name] = -SECOND
    with pytest.raises(ValueError, match=f"{name} is not a time below zero"):
        ValkeyConfiguration(**times)


def test_the_defaults() -> None:
    configuration = ValkeyConfiguration()
    assert (configuration.queue_key, configuration.poll_time) == ("jobQueue", SECOND)
    assert (configuration.max_payload, configuration.max_atomic_push) == (2**20, 1000)
    assert (configuration.max_atomic_push_bytes, configuration.idempotency_window) == (2**22, timedelta(days=1))
    assert (configuration.operation_timeout, configuration.unowned_grace) == (10 * SECOND, 5 * SECOND)


@pytest.mark.parametrize("value", [DriverConfiguration(), ValkeyConfiguration(), RETAIN, JobCleanup.RERUN])
def test_settings_do_not_change(value: Any) -> None:
    with pytest.raises((FrozenInstanceError, TypeError)):
        value.queue_key = value.max_age = "other"


def test_a_job_without_a_name() -> None:
    with pytest.raises(ValueError, match="a job's name is not empty"):
        JobName("", int)
