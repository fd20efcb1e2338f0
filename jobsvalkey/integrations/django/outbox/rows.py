"""The rows of an outbox, for its relay."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connections

from jobsvalkey.integrations.django.outbox.models import OutboxEntry
from jobsvalkey.integrations.relaying.entries import Entry

R = TypeVar("R")


class Rows:
    """Those of one queue. They are read in a thread of their own, which has one connection."""

    def __init__(self, using: str, queue: str) -> None:
        self._rows = OutboxEntry._base_manager.using(using).filter(queue=queue)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._using = using
        self._thread = ThreadPoolExecutor(1, "jobsvalkey-outbox")

    async def first(self, limit: int) -> Sequence[Entry]:
        """Return the oldest rows of transactions that have committed."""
        return await self._in_thread(self._first, limit)

    async def remove(self, ids: Collection[int]) -> None:
        """Remove rows; those that are gone already are no error."""
        await self._in_thread(self._remove, ids)

    def _first(self, limit: int) -> list[Entry]:
        found: Any = self._rows.order_by("id").values_list("id", "job_id", "request", "fields")[:limit]
        return [Entry(number, job_id, bytes(request), fields) for number, job_id, request, fields in found]

    def _remove(self, ids: Collection[int]) -> None:
        self._rows.filter(id__in=list(ids)).delete()

    async def _in_thread(self, work: Callable[..., R], *arguments: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._with_connection, work, *arguments)

    def _with_connection(self, work: Callable[..., R], *arguments: Any) -> R:
        """Do as Django does around a request: a connection that is broken, or too old, is closed."""
        connection = connections[self._using]
        connection.close_if_unusable_or_obsolete()
        try:
            return work(*arguments)
        finally:
            connection.close_if_unusable_or_obsolete()
