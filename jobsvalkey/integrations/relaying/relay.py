"""From the outbox to the queue."""

import asyncio
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from jobsvalkey.contract import JobsError, NotDurable, QueueDriver, StoreUnavailable
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.integrations.relaying.entries import Entry, job_of
from jobsvalkey.runtime.producer import check_refusal

_LOGGER = logging.getLogger("jobsvalkey.outbox")


class Source(Protocol):
    """The rows of one queue."""

    async def first(self, limit: int) -> Sequence[Entry]:
        """Return the oldest rows of transactions that have committed."""
        ...

    async def remove(self, ids: Collection[int]) -> None:
        """Remove rows; those that are gone already are no error."""
        ...


class OutboxRelay:
    """Pushes the jobs of an outbox. Made by `Outbox.relay`.

    It pushes a job, and then removes its row. If it dies in between, the next one pushes the job again under the same
    id, which stores nothing. So any number of relays may run at the same time.
    """

    def __init__(self, driver: QueueDriver, source: Source, *, poll_time: timedelta, at_once: int) -> None:
        check_option("poll_time", poll_time, timedelta)
        check_option("at_once", at_once, int)
        if poll_time <= timedelta(0) or at_once < 1:
            raise ValueError(f"poll_time and at_once are above zero, not {poll_time} and {at_once}")
        self._driver = driver
        self._source = source
        self._poll_time = poll_time.total_seconds()
        self._at_once = min(at_once, driver.configuration.max_atomic_push)
        self._stop = asyncio.Event()
        self._refused = set[int]()
        """Rows that cannot be pushed. They stay, so that somebody can look at them."""

    async def run(self) -> None:
        """Push jobs, until `stop` is called or the task is cancelled.

        If the database or the server is down, it waits for them.
        """
        while not self._stop.is_set():
            pushed = 0
            try:
                pushed = await self.run_once()
            except Exception as error:  # the database's errors are of many kinds
                _LOGGER.warning("the outbox is tried again in %.1f s: %s", self._poll_time, error)
            if not pushed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_time):
                        await self._stop.wait()

    def stop(self) -> None:
        """End `run` after the present step. Call it in its event loop."""
        self._stop.set()

    async def run_once(self) -> int:
        """Push the oldest jobs, `at_once` at most, and return their number.

        Raises:
            StoreUnavailable: the store did not answer in time.
            NotDurable: jobs are stored, but their `durability` is not met yet. Their rows stay.
        """
        # A transaction may commit after one that began later, so nothing is passed over for its number.
        entries = await self._source.first(self._at_once + len(self._refused))
        entries = [entry for entry in entries if entry.id not in self._refused][: self._at_once]
        done = 0
        for chunk in self._chunks(entries):
            pushed = await self._push(chunk)
            if pushed:
                await self._source.remove([entry.id for entry in pushed])
            done += len(pushed)
        return done

    def _chunks(self, entries: Sequence[Entry]) -> Iterator[list[Entry]]:
        most = self._driver.configuration.max_atomic_push_bytes
        chunk, size = list[Entry](), 0
        for entry in entries:
            if chunk and size + len(entry.request) > most:
                yield chunk
                chunk, size = [], 0
            chunk.append(entry)
            size += len(entry.request)
        if chunk:
            yield chunk

    async def _push(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Push entries; those that are stored now, or were before."""
        try:
            for pushed in await self._driver.push([job_of(entry) for entry in entries]):
                check_refusal(pushed)
        except (StoreUnavailable, NotDurable):
            raise  # the same again, later, stores nothing twice
        except (JobsError, TypeError, ValueError) as error:
            if len(entries) > 1:  # which one it is, is found out one by one
                return [stored for entry in entries for stored in await self._push([entry])]
            self._refused.add(entries[0].id)
            _LOGGER.error("job %s of the outbox cannot be pushed, and stays there: %s", entries[0].job_id, error)
            return []
        return entries
