"""`validate`: inconsistencies in the store."""

from collections.abc import AsyncIterator

from jobsvalkey.contract import Inconsistency, InconsistencyKind, JobID
from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.scripting import EXAMINE

CHUNK = 250
"""Ids that one step examines."""

_LISTS = (
    *(".pending", ".paused", ".completed", ".failed", ".cancelled", ".metadata._kept"),
    *(
        ".metadata._pending",
        ".metadata._paused",
        ".metadata._waiting",
        ".metadata._laned",
        ".metadata._ends_at",
        ".metadata._kept_completed",
        ".metadata._kept_cancelled",
    ),
)


class ValkeyValidation(ValkeyBase):
    """Finds all ids that the store knows, wherever they stand, and examines each in one step.

    It may run beside workers: an id that moves meanwhile is examined in the place that it has by then.
    """

    async def validate(self) -> list[Inconsistency]:
        """Find inconsistencies in the store, in chunks; scans all keys of the database."""
        found: dict[Inconsistency, None] = {}
        seen: set[str] = set()
        chunk: list[str] = []
        async for text, is_listed in self._everything():
            if not _is_id(text):
                # A key may well be another queue's, but the lists are ours.
                if is_listed:
                    found[Inconsistency(InconsistencyKind.NO_ID, text)] = None
            elif text not in seen:
                seen.add(text)
                chunk.append(text)
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

    async def _everything(self) -> AsyncIterator[tuple[str, bool]]:
        """Yield whatever stands in the place of an id, some several times, and whether that is an entry of a list."""
        queue = self._configuration.queue_key
        for name in _LISTS:
            async for entry in self._scan("ZSCAN", queue + name, step=2):
                yield entry, True
        for entry in await self._command("LRANGE", f"{queue}.processing", 0, -1):
            yield entry.decode(errors="replace"), True
        async for entry in self._scan("HSCAN", f"{queue}.metadata._claimed", step=2):
            yield entry, True
        prefix = f"{queue}/"
        pattern = "".join(f"\\{letter}" if letter in "*?[]^\\" else letter for letter in prefix) + "*"
        async for key in self._scan("SCAN", None, "MATCH", pattern, "COUNT", 1000):
            yield key.removeprefix(prefix).removesuffix(".metadata"), False

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
        return await session.reads.command(*words, patience=session.patience)


def _is_id(text: str) -> bool:
    try:
        return str(JobID.parse(text)) == text
    except ValueError:
        return False
