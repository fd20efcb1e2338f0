"""The costs of a measurement: time, and processor time on both sides."""

import time
from types import TracebackType
from typing import Any, NamedTuple, Self, cast

from valkey.asyncio import Valkey
from valkey.exceptions import ResponseError


class Rate(NamedTuple):
    """A rate, and what each of its jobs has cost."""

    per_second: float
    client_us: float
    """Processor time of this process, in microseconds."""
    server_us: float | None
    """That of the server, if it tells. All that it does meanwhile is counted, for others too."""
    commands: float | None = None
    """How many commands the server has run, those of scripts included."""
    bytes: float | None = None
    """How many bytes went to it and came from it."""


class _Spent(NamedTuple):
    """The costs of a server since it started."""

    seconds: float
    commands: float
    bytes: float


class Watch:
    """Measures a block.

    Args:
        client: asks the server.
    """

    def __init__(self, client: Valkey) -> None:
        self._client = client

    async def __aenter__(self) -> Self:
        self._server = await self._spent()
        self._client_s, self._began = time.process_time(), time.monotonic()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds: float = time.monotonic() - self._began
        self._client_s = time.process_time() - self._client_s
        after = await self._spent()
        if self._server is not None and after is not None:
            self._server = _Spent(*(now - before for now, before in zip(after, self._server, strict=True)))

    def rate(self, jobs: int, seconds: float | None = None, client_s: float | None = None) -> Rate:
        """Return the rate at which that many jobs ran in the block.

        Args:
            jobs: how many ran.
            seconds: how long they took, if that is not the time of the block.
            client_s: the processor time that others spent for them, if it was not this process.
        """
        spent, client_us = self._server, 1e6 * (self._client_s if client_s is None else client_s) / jobs
        costs = (1e6 * spent.seconds / jobs, spent.commands / jobs, spent.bytes / jobs) if spent else (None, None, None)
        return Rate(jobs / (seconds or self.seconds), client_us, *costs)

    async def _spent(self) -> _Spent | None:
        client = cast(Any, self._client)
        try:
            cpu, commands, stats = [await client.info(name) for name in ("cpu", "commandstats", "stats")]
        except ResponseError:
            return None  # not everybody may ask
        return _Spent(
            float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"]),
            sum(each["calls"] for each in commands.values()),
            stats["total_net_input_bytes"] + stats["total_net_output_bytes"],
        )
