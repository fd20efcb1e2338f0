"""The capability `PAUSE_QUEUE`: the queue as a whole is paused and resumed."""

from jobsvalkey.contract import Operation
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.scripting import IS_QUEUE_PAUSED, PAUSE_QUEUE
from jobsvalkey.valkey.words import PauseQueue


class ValkeyPausing(ValkeyBase):
    """The capability `PAUSE_QUEUE`. Swift workers do not know of it."""

    async def pause_queue(self, *, operation: Operation | None = None) -> None:
        """Stop all claims from now on: no later exchange claims. Pausing twice is fine."""
        await self._write(PAUSE_QUEUE, PauseQueue(paused="1"), operation)

    async def resume_queue(self, *, operation: Operation | None = None) -> None:
        """Let jobs be claimed again, and wake a worker."""
        await self._write(PAUSE_QUEUE, PauseQueue(paused=""), operation)

    async def is_queue_paused(self) -> bool:
        """Say whether the queue is paused."""
        return await self._read(IS_QUEUE_PAUSED, []) == b"1"
