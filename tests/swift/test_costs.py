"""A queue without Swift pays nothing for what is there for Swift."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import JobID, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import Claim, Fail, Finish, NewJob, Release, Retry, Settlement, new_job_id
from tests.support.retention import KEEP_ALL

HOUR = timedelta(hours=1)
JOBS = 10


class Watched:
    """The commands that name a key of Swift's or one that is kept for Swift, those that scripts call included."""

    def __init__(self, client: Any, queue_key: str) -> None:
        self.client = client
        self.key = queue_key
        names = (".processing", ".metadata._unowned", ".metadata._taken", ".metadata.worker.")
        self._swift = {f"{queue_key}{name}" for name in names}

    async def __call__(self, step: Awaitable[Any]) -> tuple[Any, Counter[str]]:
        """The result of a step, and what it has called."""
        found = Counter[str]()
        async with self.client.monitor() as monitor:
            result = await step
            await self.client.echo(f"{self.key} is done")
            async for each in monitor.listen():
                name, *words = each["command"].split(" ")
                if words == [self.key, "is", "done"]:
                    return result, found
                if any(word.startswith(swift) for word in words for swift in self._swift):
                    found[f"{name} {words[0].removeprefix(self.key)}"] += 1
        raise AssertionError("the server has stopped telling")


@pytest.fixture
async def driver(valkey_client: Valkey, queue_key: str) -> AsyncIterator[ValkeyJobQueue]:
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        yield driver


async def test_a_queue_without_swift_asks_only_whether_there_is_swift(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    """A push asks once, for all its jobs, and a recovery once; what workers do asks for nothing."""
    watched = Watched(valkey_client, queue_key)
    found: dict[str, Counter[str]] = {}
    claims: list[Claim] = []

    async def watch(name: str, step: Awaitable[Any]) -> Any:
        result, found[name] = await watched(step)
        return result

    await driver.open_worker("worker", HOUR)
    await watch("push", driver.push([NewJob(new_job_id(), b"request") for _ in range(JOBS)]))
    claims += (await watch("claim", driver.exchange("worker", 1, (), JOBS))).claims
    ends: dict[str, list[Settlement]] = {
        "finish": [Finish(each.job_id, each.token) for each in claims[:4]],
        "fail": [Fail(each.job_id, each.token, b"error") for each in claims[4:6]],
        "retry": [Retry(each.job_id, each.token, b"again", None, b"error") for each in claims[6:8]],
        "release": [Release(each.job_id, each.token) for each in claims[8:]],
    }
    for sequence, (name, settlements) in enumerate(ends.items(), 2):
        await watch(name, driver.exchange("worker", sequence, settlements))
    assert len((await watch("claim again", driver.exchange("worker", 6, (), JOBS))).claims) == 4
    await driver.renew("worker", timedelta(0))
    assert await watch("recover", driver.recover()) == 4
    asked = {name: dict(commands) for name, commands in found.items() if commands}
    assert asked == {
        "push": {"EXISTS .processing": 1},
        "recover": {
            "TYPE .processing": 1,
            "LLEN .processing": 1,
            "TYPE .metadata._unowned": 1,
            "DEL .metadata._unowned": 1,
        },
    }


async def test_what_is_kept_of_a_job_is_what_python_needs(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    client: Any = valkey_client

    async def fields(job_id: JobID) -> set[bytes]:
        return set(await client.hkeys(f"{queue_key}/{job_id}.metadata"))

    await driver.open_worker("worker", HOUR)
    await driver.push([NewJob(new_job_id(), b"request") for _ in range(3)])
    finished, failed, retried = (await driver.exchange("worker", 1, (), 3)).claims
    for claim in (finished, failed, retried):
        assert await fields(claim.job_id) == set(), "a job that waits, or runs for the first time"
    settlements = [
        Finish(finished.job_id, finished.token),
        Fail(failed.job_id, failed.token, b"error"),
        Retry(retried.job_id, retried.token, b"again", None, b"error"),
    ]
    await driver.exchange("worker", 2, settlements)
    assert await fields(finished.job_id) == {b"status", b"stored"}
    assert await fields(failed.job_id) == {b"status", b"stored", b"error", b"ended", b"runs"}
    assert await fields(retried.job_id) == {b"stored", b"error", b"ended", b"runs"}
