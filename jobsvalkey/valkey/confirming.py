"""Asking the server, after a step, whether replicas and disks have it."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from valkey.exceptions import ConnectionError as ConnectionLost
from valkey.exceptions import ResponseError

from jobsvalkey.contract import ConfigurationError, Durability, NewJob, NotDurable
from jobsvalkey.valkey.arguments import Reply
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.routes import mapping

UNEXPECTED = b"unexpected"
"""The answer of `push_if` if it has done nothing."""


@contextmanager
def naming(items: Sequence[NewJob]) -> Generator[None]:
    """Say of which jobs it is not known that they are where they have to be."""
    try:
        yield
    except NotDurable as error:
        error.job_ids = tuple(item.job_id for item in items)
        raise


class Confirmation:
    """Waits after a step, on its connection, until a demand is met.

    `WAIT` and `WAITAOF` speak of what this connection has written. Every numbered step writes, a repeat too: it puts
    its answer down again.
    """

    def __init__(self, demand: Durability) -> None:
        self.demand: Durability = demand
        self.seconds: float = demand.timeout.total_seconds()
        self._milliseconds = int(self.seconds * 1000)

    async def check(self, channel: Channel) -> None:
        """See to it, on a new connection, that the server can tell.

        Raises:
            ConfigurationError: it cannot, or its settings make the answer worthless.
        """
        if not self.demand.append_only_file:
            await channel.send("WAIT", 0, 1)
            return
        await channel.send("WAITAOF", 0, 0, 1)
        found = mapping(await channel.send("CONFIG", "GET", "append*"))
        has, syncs = found.get(b"appendonly", b""), found.get(b"appendfsync", b"")
        if (has, syncs) != (b"yes", b"always"):
            # With everysec it answers before the file is synced.
            raise ConfigurationError(
                "Durability(append_only_file=True) needs a server with appendonly yes and appendfsync always; "
                f"this one has appendonly {has.decode()} and appendfsync {syncs.decode()}: nothing was stored"
            )

    async def ask(self, channel: Channel, done: Reply) -> NotDurable | None:
        """Wait for as long as the demand allows; the error if it is not met."""
        if done == UNEXPECTED:
            return None
        demand = self.demand
        try:
            if demand.append_only_file:
                reply: Reply = await channel.send("WAITAOF", 1, demand.replicas, self._milliseconds)
                synced, replicas = bool(reply[0]), int(reply[1])
            else:
                synced, replicas = False, int(await channel.send("WAIT", demand.replicas, self._milliseconds))
        except ResponseError as error:
            # The step was done, and nothing is known of it: the primary has become a replica, say.
            raise ConnectionLost(str(error)) from error
        if replicas >= demand.replicas and synced >= demand.append_only_file:
            return None
        known = f"{replicas} of {demand.replicas} replicas have it"
        if demand.append_only_file:
            known += ", and the server's disk has it" if synced else ", and the server's disk has it not"
        return self._unmet(f"{known} after {self.seconds:g} s", replicas, synced)

    def _unmet(self, known: str, replicas: int, synced: bool) -> NotDurable:
        """The error of a push, which says what is known."""
        return NotDurable(
            f"it is stored, but {known}: push it again under its own id, "
            "which stores nothing twice, or look at the replicas",
            replicas=replicas,
            append_only_file=synced,
        )


class Insistence(Confirmation):
    """The same for steps of workers: one whose demand is not met was not answered, and is sent again."""

    def _unmet(self, known: str, replicas: int, synced: bool) -> NotDurable:
        raise ConnectionLost(f"it is done, but {known}")
