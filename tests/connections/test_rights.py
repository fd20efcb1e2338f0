"""What a user of the server needs the right to: what the guide says, no more and no less."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import ConfigurationError, JobQueue, ProcessorOptions, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import NewJob, StoreUnavailable, new_job_id
from jobsvalkey.valkey import scripting, session
from tests.conftest import StartServer
from tests.support.pages import blocks
from tests.support.processors import run_in_background
from tests.support.retention import KEEP_ALL
from tests.support.servers import Server, ServerKind, ServerOptions, found_kinds
from tests.support.steps import STEPS, statuses
from tests.support.waiting import PATIENCE, until
from tests.support.work import Work, counting

KINDS = [kind for kind in found_kinds() if kind.id not in ("container", "url")]
GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "the-queue-on-valkey.md"
QUEUE_KEY = "MyJobQueue"
SENT = {"blpop", "eval", "evalsha", "get", "hscan", "info", "lpush", "lrange", "scan", "select", "set", "zscan"} | {
    "xread",
    "xrevrange",
}
"""What the driver sends by itself; the other commands are those of its scripts."""


def rights() -> list[str]:
    """The rules in the guide."""
    (rules,) = (block.text for block in blocks(GUIDE.read_text("utf-8")) if block.text.startswith(f"~{QUEUE_KEY}"))
    return rules.split()


@asynccontextmanager
async def driver_at(url: str, **configuration: Any) -> AsyncGenerator[ValkeyJobQueue]:
    client: Any = cast(Any, Valkey).from_url(url)
    settings: dict[str, Any] = {"queue_key": QUEUE_KEY, "retention_policy": KEEP_ALL, **configuration}
    async with client, ValkeyJobQueue(client, ValkeyConfiguration(**settings)) as driver:
        yield driver


@pytest.fixture(params=KINDS, ids=lambda kind: kind.id)
def server(request: pytest.FixtureRequest, start_server: StartServer) -> Server:
    """A server with a user of exactly these rights."""
    kind: ServerKind = request.param
    return start_server(ServerOptions(users={"me": f"on >secret {' '.join(rights())}"}), kind)


def test_no_command_is_missing_and_none_is_needless() -> None:
    commands = set[str]()
    for script in vars(scripting).values():
        if isinstance(script, scripting.Script):
            commands.update(re.findall(r"(?:redis\.p?call\(|batch\(|gather\(|pcall\(batch, )'(\w+)'", script.text))
    needed = {command.lower() for command in commands} | SENT
    assert {right[1:] for right in rights() if right.startswith("+")} == needed


def test_the_rights_of_each_numbered_step_are_looked_up() -> None:
    """A script of which nobody has asked would be refused in its middle."""
    source = "".join(path.read_text("utf-8") for path in sorted(Path(session.__file__).parent.glob("*.py")))
    sent = re.findall(r"(?:\b_write|\bcontrol\.call)\(\s*([A-Z_]+)\b", source)
    assert {getattr(scripting, name) for name in sent} == {*session.CONTROL}


async def test_every_step_and_every_look(server: Server) -> None:
    admin: Any = cast(Any, Valkey).from_url(server.url)
    async with admin:
        for name, step in STEPS.items():
            async with driver_at(server.url_for("me", "secret", database=3)) as driver:
                scene = await step.prepare(driver)
                answer = await step.ask(driver, scene)
                assert step.answer is None or answer == step.answer, name
                await step.see(driver, scene)
                await statuses(driver, scene)
                assert await driver.validate() == []
                for status, number in (await driver.counts()).items():
                    assert len([job async for job in driver.jobs(status)]) == number
                assert await driver.is_durable() is False
            await admin.flushall()


async def test_a_worker_at_work(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    async with driver_at(server.url_for("me", "secret"), poll_time=timedelta(hours=1)) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        async with run_in_background(queue.processor(ProcessorOptions())):
            for number in range(3):
                await queue.push(Work(number))
                await until(lambda number=number: number in ran)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("other", ["MyJobQueue2", "OtherQueue"])
async def test_another_queue(other: str, server: Server) -> None:
    async with driver_at(server.url_for("me", "secret"), queue_key=other) as driver:
        with pytest.raises(ConfigurationError, match="check password, user and rights"):
            await JobQueue(driver).push(Work())


POLLING, NEWS = "jobs are found by polling only", "workers hear at their renewals only"


async def test_a_user_who_may_not_block_polls(
    start_server: StartServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning for each thing that it does not hear of, and no more commands than a worker has that polls."""
    # However slow the machine is, the right to block is not asked for again.
    monkeypatch.setattr("jobsvalkey.valkey.listening.REFUSED_PAUSE", 3600.0)
    server = start_server(ServerOptions(users={"me": "on >secret ~* &* +@all -@blocking"}))
    admin: Any = cast(Any, Valkey).from_url(server.url)

    async def calls(command: str, kind: str = "calls") -> int:
        return (await admin.info("commandstats")).get(f"cmdstat_{command}", {kind: 0})[kind]

    def said(part: str) -> int:
        return len([record for record in caplog.records if part in record.message])

    poll_time = timedelta(milliseconds=50)
    async with admin, driver_at(server.url_for("me", "secret"), poll_time=poll_time) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        async with run_in_background(queue.processor(ProcessorOptions())):
            for number in range(5):
                await queue.push(Work(number))
                await until(lambda number=number: number in ran)
            # On a busy machine a poll may be due before the first refusal is heard.
            await until(lambda: said(POLLING) == 1)
            refused, news, before = await calls("blpop", "rejected_calls"), said(NEWS), await calls("evalsha")

            async def has_polled() -> bool:
                return await calls("evalsha") >= before + 10

            await until(has_polled)
        # A worker that looks for no work while it has some may ask for news of its claims, too.
        assert await calls("blpop", "rejected_calls") - refused <= 1 - news
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert (said(POLLING), said(NEWS) <= 1) == (1, True)
    assert len(warnings) == said(POLLING) + said(NEWS)
    assert all("check password, user and rights" in warning for warning in warnings)


async def test_the_right_to_block_is_asked_for_again(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobsvalkey.valkey.listening.REFUSED_PAUSE", 0.05)
    server = start_server(ServerOptions(users={"me": "on >secret ~* &* +@all -@blocking"}))
    admin: Any = cast(Any, Valkey).from_url(server.url)

    async def is_refused() -> bool:
        return "cmdstat_blpop" in await admin.info("commandstats")

    async def waits() -> bool:
        return (await admin.info("clients"))["blocked_clients"] == 1

    async with (
        admin,
        driver_at(server.url_for("me", "secret"), poll_time=timedelta(milliseconds=50)) as driver,
        run_in_background(JobQueue(driver).processor(ProcessorOptions())),
    ):
        await until(is_refused)
        await admin.execute_command("ACL", "SETUSER", "me", "+blpop")
        await until(waits)


async def test_who_waits_without_the_right_to_block_is_let_go_by_closing(start_server: StartServer) -> None:
    """No read fails at the closing that would let them look: they wait for a poll, an hour from now."""
    server = start_server(ServerOptions(users={"me": "on >secret ~* &* +@all -@blocking"}))
    admin: Any = cast(Any, Valkey).from_url(server.url)

    async def refused(command: str) -> int:
        return (await admin.info("commandstats")).get(f"cmdstat_{command}", {"rejected_calls": 0})["rejected_calls"]

    async def are_refused() -> bool:
        return await refused("blpop") >= 2 and await refused("xread") >= 1

    hour = timedelta(hours=1)
    async with admin, driver_at(server.url_for("me", "secret"), poll_time=hour) as driver:
        job = NewJob(new_job_id(), b"{}", keep_for=hour)
        await driver.push([job])
        waits: list[asyncio.Task[None]] = []
        for worker, work in (("idle", True), ("full", False)):
            await driver.open_worker(worker, hour)
            waits.append(asyncio.create_task(driver.wait(worker, hour, work=work)))
        ends = asyncio.create_task(driver.ended([job.job_id], hour))
        await until(are_refused)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*waits)  # each has let them look once; they wait again
        waits[0] = asyncio.create_task(driver.wait("idle", hour))
        waits[1] = asyncio.create_task(driver.wait("full", hour, work=False))
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in (*waits, ends))
        async with asyncio.timeout(PATIENCE):
            await driver.aclose()
            await asyncio.gather(*waits)
            with pytest.raises(StoreUnavailable, match="the driver was closed"):
                await ends
