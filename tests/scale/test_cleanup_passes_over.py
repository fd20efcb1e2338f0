"""Jobs that a cleanup passes over cost little each, however many there are, and hide none behind them."""

from datetime import timedelta
from typing import Any

from jobsvalkey.contract import Fail, JobCleanup, JobStatus, NewJob, RetentionPolicy, new_job_id
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.conftest import StartServer
from tests.scale.support import REQUEST, ProcessorTime, opened


async def test_young_jobs_in_front_of_an_old_one(start_server: StartServer) -> None:
    number = 30_000
    async with opened(start_server(), RetentionPolicy()) as (client, driver):
        time = await ProcessorTime.of(client)
        for _ in range(number // 1000):
            await driver.push([NewJob(new_job_id(), REQUEST) for _ in range(1000)])
        old = new_job_id()
        await driver.push([NewJob(old, REQUEST, due=timedelta(days=1))])
        await client.hset(f"jobQueue/{old}.metadata", "stored", "0")
        await client.config_resetstat()
        before = time.seconds()
        cleaned = await driver.cleanup(pending_jobs=JobCleanup.remove(max_age=timedelta(hours=1)))
        took = time.seconds() - before
        steps = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
        assert cleaned[JobStatus.PENDING] == 1
        assert await driver.get(old) is None
        assert (await driver.counts())[JobStatus.PENDING] == number
        assert steps > number / 1000
        assert took / steps < 0.005


async def test_old_jobs_scattered_among_young_ones(start_server: StartServer) -> None:
    """What one step has passed over, the next ones do not look at again."""
    number, between = 20_000, 100
    async with opened(start_server(), RetentionPolicy()) as (client, driver):
        for _ in range(number // 1000):
            await driver.push([NewJob(new_job_id(), REQUEST) for _ in range(1000)])
        ids = await client.zrange("jobQueue.pending", 0, -1)
        async with client.pipeline(transaction=False) as pipeline:
            for old in ids[::between]:
                pipeline.hset(b"jobQueue/" + old + b".metadata", "stored", "0")
            await pipeline.execute()
        await client.config_resetstat()
        cleaned = await driver.cleanup(pending_jobs=JobCleanup.remove(max_age=timedelta(hours=1)))
        steps = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
        assert cleaned[JobStatus.PENDING] == number / between
        # Twice through the list, by 200 jobs at least: the second time to see that nothing is left.
        assert steps <= 2 * number / 200 + 5


async def test_jobs_without_a_request_in_front_of_others(valkey_client: Any, queue_key: str) -> None:
    """Failed jobs stand in two lists, of which a rerun has to come to the end in any case."""
    number = 300
    configuration = ValkeyConfiguration(queue_key=queue_key)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        await driver.open_worker("worker", timedelta(hours=1))
        await driver.push([NewJob(new_job_id(), REQUEST) for _ in range(number)])
        claims = (await driver.exchange("worker", 1, (), number)).claims
        settlements = [
            # Two of three are kept for certain, the last one of each kind among the last three.
            Fail(claim.job_id, claim.token, b"error", keep=n % 3 > 0)
            for n, claim in enumerate(claims)
        ]
        for sequence, settlement in enumerate(settlements, 2):
            await driver.exchange("worker", sequence, [settlement])
        await valkey_client.delete(*[f"{queue_key}/{claim.job_id}" for claim in claims[:-3]])
        assert await driver.cleanup_step(JobStatus.FAILED, JobCleanup.RERUN, max_jobs=1) == 1
        assert await driver.cleanup_step(JobStatus.FAILED, JobCleanup.RERUN, max_jobs=number) == 2
        assert await driver.cleanup_step(JobStatus.FAILED, JobCleanup.RERUN, max_jobs=1) == 0
        again = (await driver.exchange("worker", number + 2, (), number)).claims
        assert [claim.job_id for claim in again] == [claim.job_id for claim in claims[-3:]]
        assert (await driver.counts())[JobStatus.FAILED] == number - 3


async def test_what_a_step_has_taken_is_not_passed_over_by_the_next(valkey_client: Any, queue_key: str) -> None:
    """The oldest go first, also if the cleanup takes several steps and not all jobs."""
    async with ValkeyJobQueue(valkey_client, ValkeyConfiguration(queue_key=queue_key)) as driver:
        jobs = [NewJob(new_job_id(), REQUEST, due=timedelta(hours=1 + n)) for n in range(350)]
        await driver.push(jobs)
        steps = driver.cleanup_steps(JobStatus.PENDING, JobCleanup.remove(), 250)
        assert [done async for done in steps] == [100, 100, 50]
        assert [job.job_id async for job in driver.jobs(JobStatus.PENDING)] == [job.job_id for job in jobs[250:]]
