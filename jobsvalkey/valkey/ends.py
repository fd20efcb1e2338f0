"""Waiting for the ends of jobs: one blocked read of a stream, for all that wait in an event loop."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from jobsvalkey.contract import ConfigurationError, JobID, JobsError, StoredJob, StoreUnavailable
from jobsvalkey.valkey.arguments import Reply
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.listening import FIRST_PAUSE, LONGEST_BLOCK, LONGEST_PAUSE, REFUSED_PAUSE
from jobsvalkey.valkey.tasks import TaskSet

_logger = logging.getLogger(__name__)

CHUNK: Final = 250
"""Jobs that one look reads at most."""
MANY: Final = 1000
"""Jobs that are looked at each poll time; if more are waited for, looks are rarer."""

Entry: TypeAlias = tuple[bytes, Sequence[bytes]]
"""Of the stream: its id, and `id` with those of the jobs, and spaces between."""
Look: TypeAlias = Callable[[Sequence[JobID]], Awaitable[list[StoredJob | None]]]


class Ends:
    """Tells those who wait for jobs of one queue, in one event loop, which of them have ended.

    A script that ends such a job adds its id to the stream. Whoever waits looks first, and again when the stream names
    one of its jobs; looks that are asked for at the same time share a round trip.
    """

    def __init__(self, read_timeout: float, channel: Channel, key: str, poll_time: float, tasks: TaskSet) -> None:
        self._channel = channel
        self._key = key
        self._poll_time = poll_time
        self._tasks = tasks
        self._block = min(LONGEST_BLOCK, read_timeout * 0.8)
        self._waiting: dict[JobID, set[asyncio.Event]] = {}
        self._reading = False
        self._polling = False
        self._is_placed = asyncio.Event()
        """Set when it is known from where on the stream is read."""
        self._asked: list[tuple[Sequence[JobID], asyncio.Future[list[StoredJob | None]]]] = []
        self._looking = False
        self._closed = False

    async def wait(self, job_ids: Sequence[JobID], timeout: float, look: Look) -> list[StoredJob | None]:
        """Wait until one of the jobs has ended or is absent; all of them, as they are then."""
        end = asyncio.get_running_loop().time() + timeout
        news = asyncio.Event()
        for job_id in job_ids:
            self._waiting.setdefault(job_id, set()).add(news)
        try:
            if timeout > 0:
                await self._follow(timeout)
            while True:
                news.clear()
                jobs = await self._look(job_ids, look)
                left = end - asyncio.get_running_loop().time()
                if left <= 0 or any(job is None or job.ended_at is not None for job in jobs):
                    return jobs
                try:
                    async with asyncio.timeout(left):
                        await news.wait()
                except TimeoutError:
                    pass  # a last look: the hint may have been lost
        finally:
            for job_id in job_ids:
                if (waiting := self._waiting.get(job_id)) is not None:
                    waiting.discard(news)
                    if not waiting:
                        del self._waiting[job_id]

    def close(self) -> None:
        """Let everybody look who waits, which fails: the driver is closed."""
        self._closed = True
        self._is_placed.set()
        self._wake_all()

    async def _follow(self, timeout: float) -> None:
        """See to it that the stream is read from a place before the next look."""
        if not self._reading:
            self._reading = True
            self._tasks.start(self._read())
        if not self._polling:
            self._polling = True
            self._tasks.start(self._poll())
        try:
            async with asyncio.timeout(timeout):
                await self._is_placed.wait()
        except TimeoutError:
            pass

    async def _read(self) -> None:
        place = b""
        pause = 0.0
        try:
            while self._waiting and not self._closed:
                try:
                    if not place:
                        newest: Reply = await self._channel.command(
                            "XREVRANGE", self._key, "+", "-", "COUNT", 1, patience=0
                        )
                        place = newest[0][0] if newest else b"0-0"
                        self._is_placed.set()
                    reply = await self._channel.command(
                        *("XREAD", "COUNT", 1000, "BLOCK", int(self._block * 1000), "STREAMS", self._key, place),
                        patience=0,
                        blocking=self._block,
                    )
                except JobsError as error:
                    if not self._closed:
                        pause = self._failed(error, pause)
                        await asyncio.sleep(pause)
                    continue
                pause = 0.0
                for entry, words in _entries(reply):
                    place = entry
                    for word in b" ".join(words).split():
                        with contextlib.suppress(ValueError):  # no id: the name of the field, or somebody else's entry
                            self._wake(JobID.parse(word))
        finally:
            self._reading = False
            self._is_placed.clear()

    def _failed(self, error: JobsError, pause: float) -> float:
        """Let everybody look once, since news may have been lost; the seconds until the next attempt."""
        self._is_placed.set()
        if isinstance(error, ConfigurationError):
            _logger.warning("ends of jobs are found by polling only, the server gives no news: %s", error)
            return REFUSED_PAUSE
        if not pause:
            self._wake_all()
        return min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)

    async def _poll(self) -> None:
        """Let everybody look from time to time, all in one look."""
        try:
            while self._waiting and not self._closed:
                await asyncio.sleep(self._poll_time * max(1.0, len(self._waiting) / MANY))
                self._wake_all()
        finally:
            self._polling = False

    def _wake(self, job_id: JobID) -> None:
        for news in self._waiting.get(job_id, ()):
            news.set()

    def _wake_all(self) -> None:
        for job_id in self._waiting:
            self._wake(job_id)

    async def _look(self, job_ids: Sequence[JobID], look: Look) -> list[StoredJob | None]:
        found: list[StoredJob | None] = []
        for first in range(0, len(job_ids), CHUNK):
            answer: asyncio.Future[list[StoredJob | None]] = asyncio.get_running_loop().create_future()
            self._asked.append((job_ids[first : first + CHUNK], answer))
            if not self._looking:
                self._looking = True
                self._tasks.start(self._answer(look))
            found += await answer
        return found

    async def _answer(self, look: Look) -> None:
        try:
            while self._asked:
                batch: list[tuple[Sequence[JobID], asyncio.Future[list[StoredJob | None]]]] = []
                asked: dict[JobID, None] = {}
                while self._asked and (not batch or len(asked) + len(self._asked[0][0]) <= CHUNK):
                    batch.append(self._asked.pop(0))
                    asked.update(dict.fromkeys(batch[-1][0]))
                await self._answer_batch(batch, list(asked), look)
        finally:
            self._looking = False
            for _, answer in self._asked:
                _fail(answer, StoreUnavailable("the driver was closed", outcome="not_done"))
            self._asked.clear()

    async def _answer_batch(
        self,
        batch: "list[tuple[Sequence[JobID], asyncio.Future[list[StoredJob | None]]]]",
        asked: list[JobID],
        look: Look,
    ) -> None:
        try:
            found = dict(zip(asked, await look(asked), strict=True))
        except BaseException as error:
            for _, answer in batch:
                is_ours = isinstance(error, Exception)
                _fail(answer, error if is_ours else StoreUnavailable("the driver was closed", outcome="not_done"))
            if not isinstance(error, Exception):
                raise
            return
        for job_ids, answer in batch:
            if not answer.done():
                answer.set_result([found[job_id] for job_id in job_ids])


def _fail(answer: "asyncio.Future[Any]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)


def _entries(reply: Reply) -> Iterator[Entry]:
    """Iterate over what a read has brought of the stream: a map in RESP3, a list of pairs in RESP2, or nothing."""
    if reply:
        pairs: Iterable[tuple[bytes, list[Entry]]] = reply.items() if hasattr(reply, "items") else reply
        for _, entries in pairs:
            yield from entries
