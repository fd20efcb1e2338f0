"""An outbox: jobs are written in a transaction of a database, and pushed once that has committed.

Needs SQLAlchemy 2: `pip install 'jobsvalkey[sqlalchemy]'`.
"""

from jobsvalkey.integrations.outbox.outbox import Outbox
from jobsvalkey.integrations.relaying.relay import OutboxRelay

__all__ = ["Outbox", "OutboxRelay"]
