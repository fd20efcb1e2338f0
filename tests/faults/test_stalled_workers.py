"""Fault 2: a worker process stalls past its lock, and comes back."""

import signal
from datetime import timedelta

from jobsvalkey import JobQueue, JobStatus
from jobsvalkey.contract import Claim, Finish, SettleOutcome
from jobsvalkey.valkey import ValkeyJobQueue, scripting
from tests.support.drivers import HOUR, driver_at, new_job, open_worker
from tests.support.processes import worker_process
from tests.support.proxy import Proxy, script
from tests.support.servers import Server
from tests.support.tasks import Long
from tests.support.waiting import until


async def finish(driver: ValkeyJobQueue, claim: Claim) -> list[SettleOutcome]:
    return (await driver.exchange("worker", 2, [Finish(claim.job_id, claim.token)])).outcomes


async def test_weakness_3_a_worker_that_comes_back_loses_its_claim_and_goes_on(
    default_server: Server, direct: ValkeyJobQueue, queue_key: str
) -> None:
    queue = JobQueue(direct)
    queue.register_job(Long, lambda parameters, context: None)
    async with worker_process(default_server.url, queue_key, hold_for=0.6) as stalled:
        job_id = await queue.push(Long(seconds=600))
        await stalled.said("started 1")
        stalled.process.send_signal(signal.SIGSTOP)

        async def is_recovered() -> bool:
            return await direct.recover() == 1

        await until(is_recovered)
        await open_worker(direct)
        (claim,) = (await direct.exchange("worker", 1, (), 5)).claims
        assert (claim.job_id, claim.recoveries) == (job_id, 1)
        stalled.process.send_signal(signal.SIGCONT)
        await stalled.said("cancelled")
        assert (await direct.renew("worker", HOUR)).tokens == {claim.token}
        # The worker itself lives on.
        other = await queue.push(Long(seconds=0))

        async def is_completed() -> bool:
            return await queue.status(other) is JobStatus.COMPLETED

        await until(is_completed)
        assert await finish(direct, claim) == [SettleOutcome.SETTLED]
    assert await queue.status(job_id) is JobStatus.COMPLETED
    assert await direct.validate() == []


async def test_workers_that_are_stalled_together_take_nothing_from_each_other(
    proxy: Proxy, direct: ValkeyJobQueue, queue_key: str
) -> None:
    """A recovery that was sent in time, and arrives when the locks of all have run out."""
    second = timedelta(seconds=1)
    await direct.push([new_job()])
    await open_worker(direct, "holder", second)
    (claim,) = (await direct.exchange("holder", 1, (), 1)).claims
    await open_worker(direct, "asker", second)
    proxy.delay(1.2, script(scripting.RECOVER.digest))
    async with driver_at(proxy.url, queue_key) as driver:
        assert await driver.recover(worker="asker") == 0
        assert (await driver.renew("holder", HOUR)).tokens == {claim.token}
        await driver.renew("asker", HOUR)
        assert await driver.recover(worker="asker") == 0
