"""A page in the browser for people who look after queues. It needs the extra `dashboard`."""

from jobsvalkey.dashboard.access import Authentication, Role, User
from jobsvalkey.dashboard.application import dashboard

__all__ = ["Authentication", "Role", "User", "dashboard"]
