"""The capability `DURABILITY`: whether what was stored survives a restart of the server."""

from jobsvalkey.contract import ConfigurationError
from jobsvalkey.valkey.base import ValkeyBase


class ValkeyDurability(ValkeyBase):
    """The capability `DURABILITY`."""

    async def is_durable(self) -> bool:
        """Return whether the server writes each change to its append-only file; `False` if it does not tell."""
        session = self._session()
        try:
            told: bytes = await session.reads.command("INFO", "persistence", patience=session.patience)
        except ConfigurationError:
            return False
        return b"aof_enabled:1" in told
