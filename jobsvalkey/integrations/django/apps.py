"""The app, for `INSTALLED_APPS`."""

from django.apps import AppConfig


class JobsValkeyConfig(AppConfig):
    """Brings the command `jobsvalkey_worker` along."""

    name: str = "jobsvalkey.integrations.django"
    label: str = "jobsvalkey"
