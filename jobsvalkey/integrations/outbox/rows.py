"""The rows of an outbox, for its relay."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Delete, Table, delete, select
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from jobsvalkey.integrations.relaying.entries import Entry


class Rows:
    """Those of one queue."""

    def __init__(self, engine: Engine | AsyncEngine, table: Table, queue: str) -> None:
        self._engine = engine
        self._table = table
        self._queue = queue

    async def first(self, limit: int) -> Sequence[Entry]:
        """Return the oldest rows of transactions that have committed."""
        columns = self._table.c
        statement = (
            select(columns.id, columns.job_id, columns.request, columns.fields)
            .where(columns.queue == self._queue)
            .order_by(columns.id)
            .limit(limit)
        )
        if isinstance(self._engine, AsyncEngine):
            async with self._engine.connect() as connection:
                found: Sequence[Any] = (await connection.execute(statement)).all()
        else:
            found = await asyncio.to_thread(_fetch, self._engine, statement)
        return [Entry(*row) for row in found]

    async def remove(self, ids: Collection[int]) -> None:
        """Remove rows; those that are gone already are no error."""
        statement = delete(self._table).where(self._table.c.id.in_(ids))
        if isinstance(self._engine, AsyncEngine):
            async with self._engine.begin() as connection:
                await connection.execute(statement)
        else:
            await asyncio.to_thread(_execute, self._engine, statement)


def _fetch(engine: Engine, statement: Any) -> Sequence[Any]:
    with engine.connect() as connection:
        return connection.execute(statement).all()


def _execute(engine: Engine, statement: Delete) -> None:
    with engine.begin() as connection:
        connection.execute(statement)
