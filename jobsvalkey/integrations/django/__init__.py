"""Django's tasks on jobsvalkey: a backend for `TASKS`, and an app with the command `jobsvalkey_worker`.

Needs Django 6 or newer, and so Python 3.12: `pip install 'jobsvalkey[django]'`.
"""

from jobsvalkey.integrations.django.backend import JobsValkeyBackend

__all__ = ["JobsValkeyBackend"]
