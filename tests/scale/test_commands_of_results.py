"""How many commands a job takes whose result is kept: as many on any machine, however busy."""

from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import Claim, Finish, NewJob, Retention, RetentionPolicy, new_job_id
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.conftest import StartServer
from tests.scale.support import REQUEST
from tests.support.drivers import HOUR, client_of

JOBS, AT_ONCE = 600, 100


async def commands(client: Any) -> int:
    """How many it has done so far, those of scripts included."""
    stats: dict[str, dict[str, int]] = await client.info("commandstats")
    return sum(each["calls"] for each in stats.values())


@pytest.mark.parametrize(
    ("keep_for", "push", "run"),
    # Kept by its own wish, a job has fields, which are written, read by the claim, and beside it there is the news.
    [(HOUR, 1.1, 3.8), (None, 0.1, 2.5)],
    ids=["keep_for", "policy"],
)
async def test_a_job_whose_result_is_kept_takes_a_few_commands_more(
    keep_for: timedelta | None, push: float, run: float, start_server: StartServer
) -> None:
    """Besides what a step of a hundred costs, its request is looked at, and its end is written."""
    policy = RetentionPolicy() if keep_for else RetentionPolicy(completed_jobs=Retention())
    async with (
        client_of(start_server().url) as client,
        ValkeyJobQueue(client, ValkeyConfiguration(retention_policy=policy)) as driver,
    ):
        await driver.open_worker("worker", HOUR)
        await driver.exchange("worker", 1)  # which connects
        await driver.push([NewJob(new_job_id(), REQUEST, keep_for=keep_for)])
        before = await commands(client)
        await driver.push([NewJob(new_job_id(), REQUEST, keep_for=keep_for) for _ in range(JOBS)])
        pushed = (await commands(client) - before) / JOBS
        before, claims = await commands(client), list[Claim]()
        for sequence in range(2, 3 + JOBS // AT_ONCE):
            settlements = [Finish(claim.job_id, claim.token, b"1") for claim in claims]
            claims = (await driver.exchange("worker", sequence, settlements, AT_ONCE)).claims
        ran = (await commands(client) - before) / JOBS
    assert pushed < push
    assert ran < run
