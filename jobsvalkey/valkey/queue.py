"""The driver for Valkey, put together from its parts."""

from valkey.asyncio import Valkey, ValkeyCluster

from jobsvalkey.contract import Clock
from jobsvalkey.valkey.activity import ValkeyActivity
from jobsvalkey.valkey.configuration import ValkeyConfiguration
from jobsvalkey.valkey.durability import ValkeyDurability
from jobsvalkey.valkey.limits import ValkeyLimits
from jobsvalkey.valkey.metadata import ValkeyMetadata
from jobsvalkey.valkey.pausing import ValkeyPausing
from jobsvalkey.valkey.queueing import ValkeyQueueing
from jobsvalkey.valkey.results import ValkeyResults
from jobsvalkey.valkey.scheduling import ValkeyScheduling
from jobsvalkey.valkey.service_jobs import ValkeyServiceJobs
from jobsvalkey.valkey.validation import ValkeyValidation


class ValkeyJobQueue(
    ValkeyQueueing,
    ValkeyPausing,
    ValkeyMetadata,
    ValkeyScheduling,
    ValkeyValidation,
    ValkeyResults,
    ValkeyActivity,
    ValkeyLimits,
    ValkeyServiceJobs,
    ValkeyDurability,
):
    """A queue on a Valkey (or Redis) server, with every capability.

    The driver opens connections of its own, on first use, from the settings of `client`, which it leaves alone: host,
    port or socket, database number, user, password, TLS, protocol. `await driver.aclose()` or `async with driver:` ends
    them. It may be used in several event loops and after a fork; each has connections of its own.

    With a `clock`, for tests, all times come from it, and nothing expires by the server's clock.

    A client that `Sentinel.master_for` made leads to the server that the Sentinels call primary; a `ValkeyCluster` to
    the primary of the queue's slot, for which `queue_key` needs a hash tag, as in `{mail}`. A failover is followed, and
    so is a slot that has moved.

    Raises:
        ConfigurationError: it is another client, or leads to a replica, or the queue's key has no hash tag.
    """

    def __init__(
        self,
        client: Valkey | ValkeyCluster,
        configuration: ValkeyConfiguration | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(client, configuration, clock=clock)
        self.service_job_prefix = "_Jobs_Valkey"
        self.service_job_suffix: str = f"_{self._configuration.queue_key}"
