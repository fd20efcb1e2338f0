"""The app, for `INSTALLED_APPS`."""

from typing import Any

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """Brings the table along."""

    name: str = "jobsvalkey.integrations.django.outbox"
    label: str = "jobsvalkey_outbox"
    default_auto_field: Any = "django.db.models.BigAutoField"
