"""A request that was given up and repeated reaches the server after all: it does nothing that nobody knows of."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from valkey.exceptions import ResponseError

from jobsvalkey import StoreUnavailable
from jobsvalkey.contract import Finish, JobStatus, SettleOutcome
from jobsvalkey.valkey import ValkeyJobQueue
from jobsvalkey.valkey.scripting import CLOSE_WORKER, EXCHANGE, PUSH, RECOVER, RENEW
from tests.support.drivers import HOUR, claims_of, driver_at, new_job, open_worker
from tests.support.proxy import Fault, Proxy, script
from tests.support.pushes import STORED, outcomes
from tests.support.steps import STEPS

Arrive = Callable[[Fault], Awaitable[Any]]
UNNUMBERED = (EXCHANGE, RENEW, CLOSE_WORKER, RECOVER)
NUMBERED = sorted(name for name, step in STEPS.items() if step.script not in UNNUMBERED)


@pytest.fixture
def arrive(valkey_client: Any) -> Arrive:
    """Send to the server what the proxy has dropped."""

    async def arrive(fault: Fault) -> Any:
        (command,) = fault.hit
        return await valkey_client.execute_command(command.name, *command.arguments)

    return arrive


async def test_a_late_claim_takes_nothing_that_its_repeat_has_not_told(
    proxy: Proxy, driver: ValkeyJobQueue, arrive: Arrive
) -> None:
    await driver.push([new_job() for _ in range(5)])
    await open_worker(driver)
    fault = proxy.drop_request(script(EXCHANGE.digest))
    claims = (await driver.exchange("worker", 1, (), 2)).claims
    assert len(claims) == 2
    await arrive(fault)
    assert (await driver.renew("worker", HOUR)).tokens == frozenset(claim.token for claim in claims)
    assert (await driver.counts())[JobStatus.PENDING] == 3


@pytest.mark.parametrize("polls", [0, 1])
async def test_a_late_claim_whose_repeat_found_nothing_takes_nothing(
    polls: int, proxy: Proxy, driver: ValkeyJobQueue, arrive: Arrive
) -> None:
    await open_worker(driver)
    fault = proxy.drop_request(script(EXCHANGE.digest))
    assert (await driver.exchange("worker", 1, (), 2)).claims == []
    for poll in range(polls):
        assert (await driver.exchange("worker", 2 + poll, (), 2)).claims == []
    await driver.push([new_job()])
    await arrive(fault)
    assert (await driver.renew("worker", HOUR)).tokens == frozenset()
    assert len((await driver.exchange("worker", 9, (), 2)).claims) == 1


async def test_a_late_claim_after_the_next_one_is_refused(proxy: Proxy, driver: ValkeyJobQueue, arrive: Arrive) -> None:
    await driver.push([new_job() for _ in range(5)])
    await open_worker(driver)
    fault = proxy.drop_request(script(EXCHANGE.digest))
    claims = (await driver.exchange("worker", 1, (), 2)).claims
    claims += (await driver.exchange("worker", 2, (), 1)).claims
    with pytest.raises(ResponseError, match="REFUSED"):
        await arrive(fault)
    assert (await driver.renew("worker", HOUR)).tokens == frozenset(claim.token for claim in claims)


async def test_a_late_claim_of_a_worker_that_has_left_takes_nothing(
    proxy: Proxy, driver: ValkeyJobQueue, arrive: Arrive
) -> None:
    await open_worker(driver)
    fault = proxy.drop_request(script(EXCHANGE.digest))
    await driver.exchange("worker", 1, (), 2)
    await driver.push([new_job()])
    await driver.close_worker("worker")
    with pytest.raises(ResponseError, match="CLOSED"):
        await arrive(fault)
    assert (await driver.counts())[JobStatus.PENDING] == 1


async def test_a_late_settlement_ends_no_later_claim(proxy: Proxy, driver: ValkeyJobQueue, arrive: Arrive) -> None:
    await driver.push([new_job()])
    (claim,) = await claims_of(driver, 1)
    fault = proxy.drop_request(script(EXCHANGE.digest))
    finish = Finish(claim.job_id, claim.token)
    assert (await driver.exchange("worker", 2, [finish])).outcomes == [SettleOutcome.SETTLED]
    assert await driver.rerun(claim.job_id)
    (again,) = (await driver.exchange("worker", 3, (), 1)).claims
    with pytest.raises(ResponseError, match="REFUSED"):
        await arrive(fault)
    assert (await driver.renew("worker", HOUR)).tokens == {again.token}
    assert await driver.status(claim.job_id) is JobStatus.PROCESSING


@pytest.mark.parametrize("name", NUMBERED)
async def test_a_late_step_is_answered_from_memory(
    name: str, proxy: Proxy, driver: ValkeyJobQueue, direct: ValkeyJobQueue, arrive: Arrive, valkey_client: Any
) -> None:
    step = STEPS[name]
    scene = await step.prepare(direct)
    fault = proxy.drop_request(script(step.script.digest))
    assert await step.ask(driver, scene) == step.answer
    await arrive(fault)
    assert await step.see(direct, scene) == step.left


async def test_a_late_push_whose_job_has_run_and_gone_stores_nothing(
    proxy: Proxy, driver: ValkeyJobQueue, arrive: Arrive
) -> None:
    fault = proxy.drop_request(script(PUSH.digest))
    assert outcomes(await driver.push([new_job()])) == [STORED]
    (claim,) = await claims_of(driver, 1)
    await driver.exchange("worker", 2, [Finish(claim.job_id, claim.token)])
    assert await driver.remove(claim.job_id)
    assert await arrive(fault) == b"1"
    assert sum((await driver.counts()).values()) == 0


async def test_a_late_push_after_the_next_one_is_refused(
    proxy: Proxy, default_server: Any, queue_key: str, arrive: Arrive, direct: ValkeyJobQueue
) -> None:
    # This one is not even repeated: its caller was told that its outcome is not known.
    async with driver_at(proxy.url, queue_key, operation_timeout=timedelta(0)) as driver:
        assert outcomes(await driver.push([new_job()])) == [STORED]
        fault = proxy.drop_request(script(PUSH.digest))
        with pytest.raises(StoreUnavailable) as caught:
            await driver.push([new_job()])
        assert caught.value.outcome == "unknown"
        assert outcomes(await driver.push([new_job()])) == [STORED]
    with pytest.raises(ResponseError, match="REFUSED"):
        await arrive(fault)
    assert (await direct.counts())[JobStatus.PENDING] == 2


async def test_late_claims_take_nothing_where_several_repeats_found_nothing(
    proxy: Proxy, driver: ValkeyJobQueue, arrive: Arrive
) -> None:
    await open_worker(driver)
    faults: list[Fault] = []
    for sequence in range(1, 4):
        faults.append(proxy.drop_request(script(EXCHANGE.digest)))
        assert (await driver.exchange("worker", sequence, (), 2)).claims == []
    await driver.push([new_job() for _ in range(5)])
    for fault in faults:
        await arrive(fault)
    assert (await driver.renew("worker", HOUR)).tokens == frozenset()
    assert len((await driver.exchange("worker", 9, (), 9)).claims) == 5
