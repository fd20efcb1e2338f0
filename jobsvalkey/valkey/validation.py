"""`validate`: everything in the store that does not fit together."""

from collections.abc import AsyncIterator

from jobsvalkey.contract import Inconsistency, InconsistencyKind, JobID
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.line import Argument, Reply
from jobsvalkey.valkey.scripting import EXAMINE

CHUNK = 250
"""Ids that one step examines."""

_LISTS = (".pending", ".paused", ".completed", ".failed", ".cancelled", ".metadata._kept")


class ValkeyValidation(ValkeyBase):
    """Finds all ids that the store knows, wherever they stand, and examines each in one step.

    It may run beside workers: an id that moves while the lists are scanned is examined where it is by then.
    """

    async def validate(self) -> list[Inconsistency]:
        """Everything in the store that does not fit together, in chunks; scans all keys of the database."""
        found: dict[Inconsistency, None] = {}
        seen: set[str] = set()
        chunk: list[str] = []
        async for job_id in self._everything():
            if job_id not in seen and _is_id(job_id):
                seen.add(job_id)
                chunk.append(job_id)
                if len(chunk) == CHUNK:
                    found.update(await self._examine(chunk))
                    chunk = []
        found.update(await self._examine(chunk))
        return list(found)

    async def _examine(self, ids: list[str]) -> dict[Inconsistency, None]:
        replies: list[list[bytes]] = await self._read(EXAMINE, ids) if ids else []
        return {
            Inconsistency(InconsistencyKind(kind.decode()), JobID.parse(job_id)): None
            for job_id, kinds in zip(ids, replies, strict=True)
            for kind in kinds
        }

    async def _everything(self) -> AsyncIterator[str]:
        """Every id, wherever it stands; some several times."""
        queue = self._configuration.queue_key
        for name in _LISTS:
            async for job_id in self._scan("ZSCAN", queue + name, step=2):
                yield job_id
        for job_id in await self._command("LRANGE", f"{queue}.processing", 0, -1):
            yield job_id.decode(errors="replace")
        async for job_id in self._scan("HSCAN", f"{queue}.metadata._claimed", step=2):
            yield job_id
        prefix = f"{queue}/"
        pattern = "".join(f"\\{letter}" if letter in "*?[]^\\" else letter for letter in prefix) + "*"
        async for key in self._scan("SCAN", None, "MATCH", pattern, "COUNT", 1000):
            yield key.removeprefix(prefix).removesuffix(".metadata")

    async def _scan(self, command: str, key: str | None, *options: Argument, step: int = 1) -> AsyncIterator[str]:
        cursor = b"0"
        while True:
            words = (command, cursor, *options) if key is None else (command, key, cursor, *options)
            cursor, entries = await self._command(*words)
            for entry in entries[::step]:
                yield entry.decode(errors="replace")
            if cursor == b"0":
                return

    async def _command(self, *words: Argument) -> Reply:
        session = self._session()
        return await session.line("read").command(*words, patience=session.patience)


def _is_id(text: str) -> bool:
    try:
        return str(JobID.parse(text)) == text
    except ValueError:
        return False
