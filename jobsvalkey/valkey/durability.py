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

    async def server(self) -> str:
        """Return the name and the version of the server that has the queue, such as `valkey 9.1.2`."""
        session = self._session()
        told: bytes = await session.reads.command("INFO", "server", patience=session.patience)
        fields = dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)
        name = fields.get("server_name", "redis")
        return f"{name} {fields.get(f'{name}_version', fields.get('redis_version'))}"
