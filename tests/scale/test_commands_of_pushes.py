"""How many commands each job of a large push takes, if it uses a feature: as many on any machine, however busy."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from jobsvalkey.contract import NewJob, Unique, new_job_id
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.conftest import StartServer
from tests.scale.support import REQUEST
from tests.scale.test_commands_of_results import commands
from tests.support.drivers import client_of

JOBS = 500


def unique(number: int) -> list[NewJob]:
    return [NewJob(new_job_id(), REQUEST, unique=Unique(f"customer:{number}"))]


def for_a_time(number: int) -> list[NewJob]:
    return [NewJob(new_job_id(), REQUEST, unique=Unique(f"customer:{number}", until=timedelta(minutes=1)))]


def parent_and_child(_number: int) -> list[NewJob]:
    parent = new_job_id()
    return [NewJob(parent, REQUEST), NewJob(new_job_id(), REQUEST, after=(parent,))]


@pytest.mark.parametrize(
    ("make", "most"),
    # The fields of each; and for a pair those of two, who waits for the first, and the second among those that wait.
    [(unique, 1.1), (for_a_time, 1.1), (parent_and_child, 9.5)],
    ids=["unique", "for_a_time", "pair"],
)
async def test_a_job_with_a_feature_takes_a_few_commands_of_its_own(
    make: Callable[[int], list[NewJob]], most: float, start_server: StartServer
) -> None:
    async with client_of(start_server().url) as client, ValkeyJobQueue(client, ValkeyConfiguration()) as driver:
        await driver.push(make(-1))  # which connects
        before = await commands(client)
        await driver.push([job for number in range(JOBS) for job in make(number)])
        taken = (await commands(client) - before) / JOBS
    assert taken < most
