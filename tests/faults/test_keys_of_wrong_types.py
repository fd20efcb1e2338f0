"""A key of the queue holds something else: the step says so, and changes nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    ConfigurationError,
    JobCleanup,
    JobID,
    JobQueue,
    JobStatus,
    ValkeyConfiguration,
    ValkeyJobQueue,
    new_job_id,
)
from jobsvalkey.contract import Claim, Fail, Finish, NewJob, Retry, SettleOutcome
from tests.support.contents import contents
from tests.support.processors import options, run_in_background
from tests.support.retention import KEEP_ALL
from tests.support.waiting import until

MINUTE = timedelta(minutes=1)


class Scene:
    """A queue with a job that waits, one that is paused, and one that a worker has."""

    def __init__(self, driver: ValkeyJobQueue) -> None:
        self.driver = driver
        self.pending, self.paused = new_job_id(), new_job_id()
        self.claim = Claim(JobID(int=0), b"", None, driver.clock.now(), driver.clock.now())

    async def set(self) -> None:
        await self.driver.push([NewJob(new_job_id(), b"{}")])
        await self.driver.open_worker("worker", MINUTE)
        (self.claim,) = (await self.driver.exchange("worker", 1, (), 1)).claims
        await self.driver.push([NewJob(self.pending, b"{}"), NewJob(self.paused, b"{}", MINUTE)])
        await self.driver.pause(self.paused)

    def push(self) -> Awaitable[Any]:
        return self.driver.push([NewJob(new_job_id(), b"{}")])

    def push_if(self) -> Awaitable[Any]:
        return self.driver.push_if(NewJob(new_job_id(), b"{}"), "date", None, b"value")

    def finish(self) -> Awaitable[Any]:
        return self.driver.exchange("worker", 2, [Finish(self.claim.job_id, self.claim.token)])

    def fail(self) -> Awaitable[Any]:
        return self.driver.exchange("worker", 2, [Fail(self.claim.job_id, self.claim.token, b"error")])

    def retry(self) -> Awaitable[Any]:
        return self.driver.exchange("worker", 2, [Retry(self.claim.job_id, self.claim.token)])

    def take(self) -> Awaitable[Any]:
        return self.driver.exchange("worker", 2, (), 5)

    def open(self) -> Awaitable[Any]:
        return self.driver.open_worker("another", MINUTE)

    def renew(self) -> Awaitable[Any]:
        return self.driver.renew("worker", MINUTE)

    def close(self) -> Awaitable[Any]:
        return self.driver.close_worker("worker")

    def recover(self) -> Awaitable[Any]:
        return self.driver.recover()

    def cancel(self) -> Awaitable[Any]:
        return self.driver.cancel(self.pending)

    def abort(self) -> Awaitable[Any]:
        return self.driver.abort(self.pending)

    def pause(self) -> Awaitable[Any]:
        return self.driver.pause(self.pending)

    def resume(self) -> Awaitable[Any]:
        return self.driver.resume(self.paused)

    def remove(self) -> Awaitable[Any]:
        return self.driver.remove(self.pending)

    def clean(self) -> Awaitable[Any]:
        return self.driver.cleanup_step(JobStatus.PENDING, JobCleanup.remove(), max_jobs=10)

    def lock(self) -> Awaitable[Any]:
        return self.driver.acquire_lock("date", b"holder", MINUTE)

    def get(self) -> Awaitable[Any]:
        return self.driver.get_metadata("date")


IN_THE_WAY: dict[str, list[Callable[[Scene], Awaitable[Any]]]] = {
    ".pending": [
        *(Scene.push, Scene.push_if, Scene.take, Scene.finish, Scene.retry, Scene.close, Scene.recover),
        *(Scene.cancel, Scene.abort, Scene.pause, Scene.resume, Scene.remove, Scene.clean),
    ],
    ".paused": [Scene.cancel, Scene.abort, Scene.pause, Scene.resume, Scene.remove],
    ".completed": [Scene.finish],
    ".failed": [Scene.fail],
    ".cancelled": [Scene.cancel, Scene.abort, Scene.close, Scene.recover],
    ".processing": [Scene.recover],
    ".metadata._claimed": [Scene.abort, Scene.take, Scene.finish, Scene.close, Scene.recover],
    ".metadata._workers": [Scene.open, Scene.renew, Scene.close, Scene.recover],
    ".metadata._wake": [Scene.push, Scene.push_if, Scene.take, Scene.retry, Scene.resume, Scene.close],
    ".metadata.date": [Scene.push_if, Scene.lock, Scene.get],
}
CASES = [(key, step) for key, steps in IN_THE_WAY.items() for step in steps]


@pytest.fixture
async def scene(server_client: Valkey, queue_key: str) -> AsyncIterator[Scene]:
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL)
    async with ValkeyJobQueue(server_client, configuration) as driver:
        scene = Scene(driver)
        await scene.set()
        yield scene


@pytest.mark.parametrize(("key", "step"), CASES, ids=[f"{key[1:]}-{step.__name__}" for key, step in CASES])
async def test_a_key_of_the_wrong_type(
    scene: Scene, server_client: Valkey, queue_key: str, key: str, step: Callable[[Scene], Awaitable[Any]]
) -> None:
    client = cast(Any, server_client)
    await client.delete(queue_key + key)
    await client.xadd(queue_key + key, {"not": "ours"})
    before = await contents(server_client)
    with pytest.raises(
        ConfigurationError, match=f"a key of queue '{queue_key}' is in use for something else"
    ) as raised:
        await step(scene)
    assert queue_key + key in str(raised.value) or "WRONGTYPE" in str(raised.value)
    assert "remove it, or take another queue_key" in str(raised.value)
    assert await contents(server_client) == before


async def test_a_jobs_key_of_the_wrong_type_is_the_fault_of_that_job_alone(
    scene: Scene, server_client: Valkey, queue_key: str
) -> None:
    client, driver = cast(Any, server_client), scene.driver
    broken = scene.claim
    (sound,) = (await driver.exchange("worker", 2, (), 1)).claims
    await client.delete(f"{queue_key}/{broken.job_id}")
    await client.xadd(f"{queue_key}/{broken.job_id}", {"not": "ours"})
    settlements = [Finish(each.job_id, each.token) for each in (broken, sound)]
    assert (await driver.exchange("worker", 3, settlements)).outcomes == [SettleOutcome.BROKEN, SettleOutcome.SETTLED]
    assert await driver.status(sound.job_id) is JobStatus.COMPLETED


async def test_a_worker_reports_the_key_and_does_not_end(
    scene: Scene, server_client: Valkey, queue_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = cast(Any, server_client)
    await client.delete(f"{queue_key}.pending")
    await client.set(f"{queue_key}.pending", "not ours")
    processor = JobQueue(scene.driver).processor(options())
    async with run_in_background(processor):
        await until(lambda: f"{queue_key}.pending holds a string, not a zset" in caplog.text)
    assert await client.get(f"{queue_key}.pending") == b"not ours"
