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
        seen: set[tuple[str, str]] = set()
        chunk: list[Argument] = []

        async def examine() -> None:
            ids = chunk[::2]
            for job_id, kinds in zip(ids, await self._read(EXAMINE, chunk), strict=True):
                for kind in kinds:
                    found[Inconsistency(InconsistencyKind(kind.decode()), JobID.parse(str(job_id)))] = None
            chunk.clear()

        async for job_id, worker in self._everything():
            if (job_id, worker) not in seen and _is_id(job_id):
                seen.add((job_id, worker))
                chunk += (job_id, worker)
                if len(chunk) == 2 * CHUNK:
                    await examine()
        if chunk:
            await examine()
        return list(found)

    async def _everything(self) -> AsyncIterator[tuple[str, str]]:
        """Every id, with the worker in whose claims it was seen."""
        queue = self._configuration.queue_key
        for name in _LISTS:
            async for job_id in self._scan("ZSCAN", queue + name, step=2):
                yield job_id, ""
        for job_id in await self._command("LRANGE", f"{queue}.processing", 0, -1):
            yield job_id.decode(), ""
        async for worker in self._scan("ZSCAN", f"{queue}.metadata._workers", step=2):
            async for job_id in self._scan("HSCAN", f"{queue}.metadata._claims.{worker}", step=2):
                yield job_id, worker
        prefix = f"{queue}/"
        pattern = "".join(f"\\{letter}" if letter in "*?[]^\\" else letter for letter in prefix) + "*"
        async for key in self._scan("SCAN", None, "MATCH", pattern, "COUNT", 1000):
            yield key.removeprefix(prefix).removesuffix(".metadata"), ""

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
