"""An outbox on Django's ORM: jobs are written in a transaction, and pushed once that has committed.

It is an app of its own, with a table: `INSTALLED_APPS += ["jobsvalkey.integrations.django.outbox"]`, then `migrate`.
"""

from jobsvalkey.integrations.django.outbox.outbox import Outbox
from jobsvalkey.integrations.relaying.relay import OutboxRelay

__all__ = ["Outbox", "OutboxRelay"]
