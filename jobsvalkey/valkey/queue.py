"""The driver for Valkey, put together from its parts."""

from valkey.asyncio import Valkey

from jobsvalkey.contract import Clock
from jobsvalkey.valkey.configuration import ValkeyConfiguration
from jobsvalkey.valkey.durability import ValkeyDurability
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
    ValkeyServiceJobs,
    ValkeyDurability,
):
    """A queue on a Valkey (or Redis) server, with every capability.

    The driver opens connections of its own, on first use, from the settings of `client`, which it leaves alone: host,
    port or socket, database number, user, password, TLS, protocol. `await driver.aclose()` or `async with driver:` ends
    them. It may be used in several event loops and after a fork; each has connections of its own.

    With `clock` the time of all that it does comes from there, and nothing expires by the server's own: for tests.

    Raises:
        ConfigurationError: the client is one of a cluster, or no `valkey.asyncio.Valkey` at all.
    """

    def __init__(
        self, client: Valkey, configuration: ValkeyConfiguration | None = None, *, clock: Clock | None = None
    ) -> None:
        super().__init__(client, configuration, clock=clock)
        self.service_job_prefix = "_Jobs_Valkey"
        self.service_job_suffix: str = f"_{self._configuration.queue_key}"
