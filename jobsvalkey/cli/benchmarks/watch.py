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
        spent = await self._spent()
        self._server = None if spent is None or self._server is None else spent - self._server

    def rate(self, jobs: int) -> Rate:
        """Return the rate at which that many jobs ran in the block."""
        server = None if self._server is None else 1e6 * self._server / jobs
        return Rate(jobs / self.seconds, 1e6 * self._client_s / jobs, server)

    async def _spent(self) -> float | None:
        try:
            told = await cast(Any, self._client).info("cpu")
        except ResponseError:
            return None  # not everybody may ask
        return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])
