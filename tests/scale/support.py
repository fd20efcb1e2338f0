"""What the tests of scale share: a server that is asked what it costs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from jobsvalkey.contract import Clock, Finish, NewJob, RetentionPolicy, new_job_id
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.support.drivers import client_of
from tests.support.servers import Server


@dataclass(frozen=True)
class Work:
    job_name: ClassVar[str] = "Work"
    number: int = 0
    text: str = "some text, as jobs have it"


REQUEST = b'{"Work":{"p":{"number":0,"text":"some text, as jobs have it"},"q":786468273.123456,"a":1}}'


@asynccontextmanager
async def opened(
    server: Server, policy: RetentionPolicy, clock: Clock | None = None
) -> AsyncGenerator[tuple[Any, ValkeyJobQueue]]:
    """A client of the server, which has no complete types, and a driver."""
    client = client_of(server.url)
    try:
        configuration = ValkeyConfiguration(retention_policy=policy)
        async with ValkeyJobQueue(client, configuration, clock=clock) as driver:
            yield client, driver
    finally:
        await client.aclose()


class ProcessorTime:
    """How much time a local server's main thread has had on a processor.

    Time on the clock would count what other programs of a busy machine took as well.
    """

    def __init__(self, process: int) -> None:
        self._path = Path(f"/proc/{process}/schedstat")

    @classmethod
    async def of(cls, client: Any) -> "ProcessorTime":
        """That of the server at the other end."""
        return cls((await client.info("server"))["process_id"])

    def seconds(self) -> float:
        """So far."""
        return int(self._path.read_text().split()[0]) / 1e9


async def store_completed_jobs(driver: ValkeyJobQueue, number: int) -> None:
    """Push jobs, claim them and settle them, a thousand at a time."""
    await driver.open_worker("filler", timedelta(hours=1))
    settlements = list[Finish]()
    for sequence in range(number // 1000 + 1):
        if sequence < number // 1000:
            await driver.push([NewJob(new_job_id(), REQUEST) for _ in range(1000)])
        claims = (await driver.exchange("filler", sequence, settlements, 1000)).claims
        settlements = [Finish(claim.job_id, claim.token) for claim in claims]
    await driver.close_worker("filler")
