"""The backend and its worker, in one process."""

import asyncio
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from django.db import connections, models
from django.tasks import task, task_backends
from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist, TaskResultMismatch
from django.tasks.signals import task_enqueued, task_finished, task_started
from django.utils import timezone

from jobsvalkey import ExponentialJitter, JobID, JobName, ValkeyConfiguration
from jobsvalkey.integrations.django import JobsValkeyBackend
from jobsvalkey.integrations.django.queues import blocking_queue, make_queue
from tests.integrations.django import tasks
from tests.integrations.django.conftest import Configure
from tests.integrations.django.running import FAILED, READY, RUNNING, SUCCESSFUL, run, run_all, run_one_by_one

ANY = "tests.integrations.django.tasks"


@contextmanager
def heard() -> Generator[list[tuple[str, Any, Any]]]:
    """Note the signals that are sent: name, sender, and the status of the result at that moment."""
    signals = {"enqueued": task_enqueued, "started": task_started, "finished": task_finished}
    found = list[tuple[str, Any, Any]]()
    receivers = list[Any]()
    for name, signal in signals.items():

        def receive(sender: Any, task_result: Any, name: str = name, **kwargs: Any) -> None:
            found.append((name, sender, task_result.status))

        receivers.append(receive)
        signal.connect(receive)
    yield found
    for signal, receive in zip(signals.values(), receivers, strict=True):
        signal.disconnect(receive)


@pytest.mark.parametrize("name", ["add", "add_slowly"])
def test_a_task_runs_and_its_result_is_there(backend: JobsValkeyBackend, name: str) -> None:
    before = timezone.now()
    result = getattr(tasks, name).enqueue(2, b=3)
    assert (result.status, result.args, result.kwargs, result.backend) == (READY, [2], {"b": 3}, "default")
    assert (result.started_at, result.finished_at, result.worker_ids, result.is_finished) == (None, None, [], False)
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value
    stored = getattr(tasks, name).get_result(result.id)
    assert (stored.status, stored.args, stored.kwargs) == (READY, [2], {"b": 3})
    assert before <= result.enqueued_at <= timezone.now()
    assert abs(stored.enqueued_at - result.enqueued_at) < timedelta(seconds=5)

    run_all(backend)
    result.refresh()
    assert (result.status, result.return_value, result.errors, result.attempts) == (SUCCESSFUL, 5, [], 1)
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert result.started_at == result.last_attempted_at
    assert result.finished_at.tzinfo is not None
    assert len(result.worker_ids[0]) > 10


@pytest.mark.parametrize(("name", "kind"), [("fail", ValueError), ("fail_slowly", ArithmeticError)])
def test_a_task_that_fails_shows_its_error(backend: JobsValkeyBackend, name: str, kind: type[Exception]) -> None:
    result = getattr(tasks, name).enqueue("no stamps left")
    run_all(backend)
    result.refresh()
    (error,) = result.errors
    assert (result.status, result.is_finished, result.attempts) == (FAILED, True, 1)
    assert error.exception_class is kind
    assert f"in {name}" in error.traceback
    assert error.traceback.endswith(f"{kind.__name__}: no stamps left\n")
    assert result.started_at is not None
    assert result.started_at <= result.finished_at
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value


async def test_the_async_side_does_the_same(backend: JobsValkeyBackend) -> None:
    result = await tasks.add.aenqueue(20, 22)
    await run(backend)
    await result.arefresh()
    assert result.return_value == 42
    assert (await tasks.add.aget_result(result.id)).return_value == 42
    with pytest.raises(TaskResultDoesNotExist):
        await tasks.add.aget_result("default:nonsense")
    with pytest.raises(TaskResultMismatch):
        await tasks.fail.aget_result(result.id)


def test_each_queue_is_one_of_its_own_and_ids_name_it(backend: JobsValkeyBackend) -> None:
    mail, default = tasks.send.enqueue("Ada"), tasks.add.enqueue(1)
    assert (mail.id.partition(":")[0], default.id.partition(":")[0]) == ("mail", "default")
    asyncio.run(run(backend, "mail"))
    assert tasks.send.get_result(mail.id).status is SUCCESSFUL
    assert tasks.add.get_result(default.id).status is READY
    other = tasks.send.using(queue_name="default").enqueue("Grace")
    assert other.id.startswith("default:")
    assert backend.get_result(other.id).task.queue_name == "default"


def test_values_arrive_as_json_has_them(backend: JobsValkeyBackend) -> None:
    class Colour(models.TextChoices):
        RED = "red", "Red"

    given: Any = [(1, 2.5), {"a": {3: None}}, Colour.RED, b"bytes", True, 2**70]
    result = backend.enqueue(tasks.add, given, {"b": 2**62})
    assert result.args == [[1, 2.5], {"a": {"3": None}}, "red", "bytes", True, 2**70]
    stored = backend.get_result(result.id)
    assert (stored.args, stored.kwargs) == (result.args, {"b": 2**62})
    mail = tasks.send.enqueue("Ada")
    asyncio.run(run(backend, "mail"))
    assert tasks.send.get_result(mail.id).return_value == {"to": ["Ada", "Ada"], "1": "<p>", "sent": None}


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), b"\xff"])
def test_arguments_that_json_cannot_hold_store_nothing(backend: JobsValkeyBackend, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        tasks.add.enqueue(value)
    counts = blocking_queue(backend.read_options, backend.place("default")).counts()
    assert sum(counts.values()) == 0


@pytest.mark.parametrize(("kind", "error"), [("nan", "ValueError"), ("set", "TypeError")])
def test_a_value_that_json_cannot_hold_fails_the_task(backend: JobsValkeyBackend, kind: str, error: str) -> None:
    result = tasks.give.enqueue(kind)
    run_all(backend)
    result.refresh()
    assert (result.status, result.errors[0].exception_class_path) == (FAILED, f"builtins.{error}")


def test_nothing_is_a_result_too(backend: JobsValkeyBackend) -> None:
    result = tasks.give.enqueue("nothing")
    run_all(backend)
    result.refresh()
    assert (result.status, result.return_value) == (SUCCESSFUL, None)


def test_a_task_waits_for_its_time(backend: JobsValkeyBackend) -> None:
    moment = timezone.now() + timedelta(hours=1)
    later = tasks.add.using(run_after=moment).enqueue(1)
    past = tasks.add.using(run_after=timezone.now() - timedelta(hours=1)).enqueue(2)
    run_all(backend)
    assert tasks.add.get_result(past.id).status is SUCCESSFUL
    stored = tasks.add.get_result(later.id)
    assert (stored.status, stored.task.run_after) == (READY, moment)


def test_tasks_of_a_higher_priority_run_first(backend: JobsValkeyBackend) -> None:
    low, first, second, high = (tasks.note.using(priority=given).enqueue(given) for given in (-100, 0, 0, 100))
    assert (tasks.note.get_result(high.id).task.priority, high.task.priority) == (100, 100)
    tasks.NOTED.clear()
    run_one_by_one(backend)
    assert tasks.NOTED == [100, 0, 0, -100]
    for result, priority in ((low, -100), (first, 0), (second, 0), (high, 100)):
        result.refresh()
        assert (result.status, result.task.priority, result.return_value) == (SUCCESSFUL, priority, priority)


def test_times_are_naive_if_the_project_has_them_so(configure: Configure) -> None:
    backend = configure(settings={"USE_TZ": False})
    moment = timezone.make_naive(datetime.now(UTC) + timedelta(hours=1))
    later, now = tasks.add.using(run_after=moment).enqueue(1), tasks.add.enqueue(2)
    run_all(backend)
    stored, result = tasks.add.get_result(later.id), tasks.add.get_result(now.id)
    assert (stored.status, stored.task.run_after) == (READY, moment)
    assert result.enqueued_at is not None
    assert result.finished_at is not None
    assert result.enqueued_at.tzinfo is None
    assert result.enqueued_at <= result.finished_at < result.enqueued_at + timedelta(minutes=5)
    assert abs(result.enqueued_at - cast("datetime", now.enqueued_at)) < timedelta(seconds=5)


def test_a_task_is_given_its_context(backend: JobsValkeyBackend) -> None:
    result, slow = tasks.tell.enqueue("word"), tasks.tell_slowly.enqueue("word")
    run_all(backend)
    result.refresh()
    slow.refresh()
    assert result.return_value == ["word", 1, result.id, "RUNNING", result.worker_ids, ["word"]]
    assert slow.return_value == ["word", 1, True]


def test_a_task_runs_again_if_its_strategy_says_so(configure: Configure) -> None:
    backend = configure(retry_strategy=ExponentialJitter(max_attempts=3, max_backoff=timedelta(0)))
    result = tasks.succeed_the_second_time.enqueue()
    with heard() as signals:
        run_all(backend)
    result.refresh()
    assert (result.status, result.return_value, result.attempts) == (SUCCESSFUL, 2, 2)
    assert result.started_at is not None
    assert result.started_at < cast("datetime", result.last_attempted_at)
    assert [name for name, _, _ in signals] == ["started", "started", "finished"]


def test_a_task_that_will_run_again_is_ready(configure: Configure) -> None:
    backend = configure(retry_strategy=ExponentialJitter(max_attempts=3, max_backoff=timedelta(hours=1)))
    result = tasks.fail.enqueue("no stamps left")
    run_all(backend)
    result.refresh()
    assert (result.status, result.attempts, len(result.errors), result.finished_at) == (READY, 1, 1, None)
    assert result.started_at is not None


def test_signals_are_sent(backend: JobsValkeyBackend) -> None:
    with heard() as signals:
        tasks.add.enqueue(1)
        tasks.add_slowly.enqueue(1)
        asyncio.run(tasks.fail.aenqueue("x"))
    assert signals == [("enqueued", JobsValkeyBackend, READY)] * 3
    with heard() as signals:
        run_all(backend)
    expected = [("started", RUNNING)] * 3 + [("finished", SUCCESSFUL)] * 2 + [("finished", FAILED)]
    assert sorted((name, status) for name, _, status in signals) == sorted(expected)
    assert {sender for _, sender, _ in signals} == {JobsValkeyBackend}


def test_a_receiver_that_fails_fails_no_task(backend: JobsValkeyBackend) -> None:
    def receive(**kwargs: Any) -> None:
        raise LookupError("a broken receiver")

    result = tasks.add.enqueue(1)
    for signal in (task_started, task_finished):
        signal.connect(receive)
    try:
        run_all(backend)
    finally:
        for signal in (task_started, task_finished):
            signal.disconnect(receive)
    result.refresh()
    assert result.status is SUCCESSFUL


@pytest.mark.parametrize("name", ["ask_the_database", "ask_the_database_slowly"])
def test_connections_to_the_database_are_closed(
    backend: JobsValkeyBackend, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["default"], "NAME", str(tmp_path / "database"))
    result = getattr(tasks, name).enqueue()
    run_all(backend)
    result.refresh()
    assert result.return_value == 42
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        tasks.CONNECTIONS.pop().execute("SELECT 1")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (f"{ANY}.no_task", "is not a task"),
        ("os.system", "is not a task"),
        (f"{ANY}.nowhere", "cannot be imported"),
        ("no.such.module.f", "cannot be imported"),
        ("nonsense", "cannot be imported"),
    ],
)
def test_nothing_runs_that_is_not_a_task(backend: JobsValkeyBackend, path: str, why: str) -> None:
    queue = blocking_queue(backend.read_options, backend.place("default"))
    job_id = queue.push(JobName(path, dict[str, Any]), {"args": [1]})
    run_all(backend)
    record = queue.get(job_id)
    assert record is not None
    assert record.error is not None
    assert (record.status, why in record.error.message) == ("failed", True)
    with pytest.raises(TaskResultDoesNotExist):
        backend.get_result(f"default:{job_id}")


@pytest.mark.parametrize("result_id", ["", ":", "default:", "default", "default:x", f"unknown:{JobID(int=1)}"])
def test_ids_of_nothing(backend: JobsValkeyBackend, result_id: str) -> None:
    with pytest.raises(TaskResultDoesNotExist):
        backend.get_result(result_id)


def test_a_result_is_kept_as_long_as_it_is_to_be(configure: Configure) -> None:
    backend = configure()
    kept = tasks.add.enqueue(1)
    short = configure(keep_result=timedelta(milliseconds=1)).enqueue(tasks.add, [1], {})
    record = blocking_queue(backend.read_options, backend.place("default")).get(kept.id.partition(":")[2])
    assert record is not None
    assert record.keep_for == timedelta(days=1)
    run_all(backend)
    assert tasks.add.get_result(kept.id).status is SUCCESSFUL

    async def is_gone() -> None:
        queue = make_queue(backend.read_options, backend.place("default"))
        async with queue.driver, asyncio.timeout(10):
            while await queue.driver.get(JobID.parse(short.id.partition(":")[2])) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    asyncio.run(is_gone())
    with pytest.raises(TaskResultDoesNotExist):
        backend.get_result(short.id)


def test_a_cancelled_task_has_failed(backend: JobsValkeyBackend) -> None:
    result = tasks.add.enqueue(1)
    assert blocking_queue(backend.read_options, backend.place("default")).cancel(result.id.partition(":")[2])
    result.refresh()
    assert (result.status, result.errors[0].exception_class.__name__) == (FAILED, "JobCancelled")


def test_what_the_backend_does_not_do_is_refused(backend: JobsValkeyBackend) -> None:
    with pytest.raises(InvalidTask, match="priority"):
        tasks.add.using(priority=101)
    with pytest.raises(InvalidTask, match="Queue 'other'"):
        tasks.add.using(queue_name="other")
    with pytest.raises(InvalidTask, match="aware"):
        tasks.add.using(run_after=datetime(2030, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidTask, match="module level"):
        task(lambda: 1)


def test_a_queue_is_shared_by_all_threads_and_made_anew_for_other_settings(configure: Configure) -> None:
    first = configure()
    queue = blocking_queue(first.read_options, first.place("default"))
    assert blocking_queue(first.read_options, first.place("default")) is queue
    assert task_backends["default"] is first
    again = configure()
    assert blocking_queue(again.read_options, again.place("default")) is queue
    other = configure(configuration=ValkeyConfiguration(max_payload=1000))
    assert blocking_queue(other.read_options, other.place("default")) is not queue
