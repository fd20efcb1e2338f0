"""The settings of the backend, and the command."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings

from jobsvalkey.integrations.django import JobsValkeyBackend
from tests.integrations.django import tasks
from tests.integrations.django.conftest import QUEUES, Configure
from tests.integrations.django.running import SUCCESSFUL


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"url": None}, "url is text, not None"),
        ({"url": "http://localhost"}, "not the URL of a server"),
        ({"keep_results": 3}, "no option 'keep_results': the options are url, queue_key, keep_result"),
        ({"keep_result": 60}, "keep_result is a timedelta"),
        ({"keep_result": timedelta(0)}, "keep_result is a time above zero"),
        ({"queue_key": " x"}, "queue_key"),
        ({"retry_strategy": 3}, "retry_strategy"),
        ({"processor": {}}, "processor is a ProcessorOptions"),
        ({"middleware": [3]}, "middleware"),
    ],
    ids=str,
)
def test_wrong_options_are_found_by_check(configure: Configure, options: dict[str, Any], text: str) -> None:
    backend = configure(**options)
    (message,) = backend.check()
    assert (message.id, text in message.msg) == ("jobsvalkey.E001", True), message.msg
    with pytest.raises(ImproperlyConfigured, match="TASKS\\['default'\\]\\['OPTIONS'\\]"):
        tasks.add.enqueue(1)
    with pytest.raises(CommandError, match="OPTIONS"):
        call_command("jobsvalkey_worker", skip_checks=True)


def test_check_asks_for_the_url_and_the_app() -> None:
    missing = JobsValkeyBackend("other", {"BACKEND": ""})
    assert "TASKS['other']['OPTIONS']: an option \"url\" is needed" in missing.check()[0].msg
    with override_settings(INSTALLED_APPS=[]):
        found = JobsValkeyBackend("other", {"OPTIONS": {"url": "valkey://localhost"}}).check()
    assert [(each.id, each.hint is None) for each in found] == [("jobsvalkey.W001", False)]


def test_django_finds_nothing_wrong(backend: JobsValkeyBackend) -> None:
    assert backend.check() == []
    call_command("check", fail_level="WARNING")
    assert (backend.supports_defer, backend.supports_async_task, backend.supports_get_result) == (True, True, True)
    assert backend.supports_priority


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--backend", "other"], "The connection 'other' doesn't exist"),
        (["--backend", "immediate"], "not a jobsvalkey backend"),
        (["--queue", "other"], "no queue 'other' in QUEUES: it has default, mail"),
        (["--concurrency", "0"], "num_workers is at least 1"),
        (["--backend", "any"], "QUEUES is empty"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], text: str, backend: JobsValkeyBackend) -> None:
    own = {"BACKEND": f"{JobsValkeyBackend.__module__}.JobsValkeyBackend", "OPTIONS": {"url": "valkey://localhost:1"}}
    configured: Any = {
        "default": {**own, "QUEUES": QUEUES},
        "any": {**own, "QUEUES": []},
        "immediate": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"},
    }
    with override_settings(TASKS=configured), pytest.raises(CommandError, match=text):
        call_command("jobsvalkey_worker", *arguments, skip_checks=True)


def test_the_command_runs_all_queues_with_one_pool_of_slots(backend: JobsValkeyBackend) -> None:
    results = [tasks.send.enqueue("Ada"), *(tasks.add.enqueue(number) for number in range(5))]
    call_command("jobsvalkey_worker", burst=True, concurrency=2, skip_checks=True, stdout=(out := io.StringIO()))
    assert [backend.get_result(result.id).status for result in results] == [SUCCESSFUL] * 6
    assert out.getvalue().startswith("runs tasks of 'default', 'mail' of ")
    assert out.getvalue().endswith(", 2 at a time\n")
