"""A Django project in the process of the tests."""

from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.tasks import task_backends
from django.test import override_settings

from jobsvalkey.integrations.django import JobsValkeyBackend
from tests.support.servers import Server

BACKEND = "jobsvalkey.integrations.django.JobsValkeyBackend"
QUEUES = ["default", "mail"]

if not settings.configured:
    settings.configure(
        INSTALLED_APPS=[
            "jobsvalkey.integrations.django",
            "jobsvalkey.integrations.django.outbox",
            "tests.integrations.django.shop",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        TASKS={"default": {"BACKEND": BACKEND, "QUEUES": QUEUES, "OPTIONS": {"url": "valkey://localhost:1"}}},
        USE_TZ=True,
        TIME_ZONE="Europe/Berlin",
        LOGGING_CONFIG=None,
    )
    django.setup()

Configure = Callable[..., JobsValkeyBackend]


@pytest.fixture
def configure(default_server: Server, queue_key: str, valkey_client: object) -> Iterator[Configure]:
    """`configure(**options)` makes the backend of a test anew, with other options."""
    overrides = list[Any]()

    def make(*, settings: dict[str, Any] | None = None, **options: Any) -> JobsValkeyBackend:
        options = {"url": default_server.url, "queue_key": queue_key, **options}
        tasks = {"default": {"BACKEND": BACKEND, "QUEUES": QUEUES, "OPTIONS": options}}
        override = override_settings(TASKS=tasks, **(settings or {}))
        override.enable()
        overrides.append(override)
        backend: Any = task_backends["default"]
        assert isinstance(backend, JobsValkeyBackend)
        return backend

    yield make
    while overrides:
        overrides.pop().disable()


@pytest.fixture
def backend(configure: Configure) -> JobsValkeyBackend:
    """The backend, on the default server and a queue of the test's own."""
    return configure()
