"""A command that the server refuses: nothing is done if the right was never there, and no job is lost if it goes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import ConfigurationError, InconsistencyKind
from jobsvalkey.contract import JobStatus
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue, scripting
from jobsvalkey.valkey.scripting import Script
from tests.support.retention import KEEP_ALL
from tests.support.scenes import ASKED
from tests.support.servers import Server, ServerKind, ServerOptions, found_kinds
from tests.support.steps import STEPS, statuses

KINDS = [kind for kind in found_kinds() if kind.id not in ("container", "url")]
EACH_KIND = [*KINDS[:1], *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])]
SCRIPTS = [each for each in vars(scripting).values() if isinstance(each, Script)]
COMMANDS = sorted(frozenset[str]().union(*(script.commands for script in SCRIPTS)))
REMOVING = {
    "cleanup of lines",
    "cleanup in full lanes",
    "remove in a line",
    "cleanup",
    *(name for name in STEPS if name.split()[0] == "remove"),
}
"""Steps that make a job absent."""
GREETING = {"get", "set"}
"""What a new connection may call, whatever it is for."""
LOOKS = (scripting.READ, scripting.IS_QUEUE_PAUSED, scripting.LANES, scripting.LANE_LIMITS)
"""They write nothing, so nothing is half done: their rights are asked for as they need them."""
HARMLESS = {InconsistencyKind.SEVERAL_STATES, InconsistencyKind.UNLISTED_PAYLOAD, InconsistencyKind.WRONG_STATUS}
"""Nobody loses a job by these."""


@pytest.fixture(scope="module", params=KINDS[:1], ids=lambda kind: kind.id)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server of these tests, which are alone on it."""
    kind: ServerKind = request.param
    with kind.make(ServerOptions(users={"me": "on >secret ~* &* +@all"})) as server:
        yield server


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Any]:
    client: Any = cast(Any, Valkey).from_url(server.url)
    async with client:
        # An earlier test may have failed half way.
        await client.flushall()
        await client.execute_command("ACL", "SETUSER", "me", "+@all")
        yield client


def driver_at(server: Server, user: str | None = "me") -> ValkeyJobQueue:
    url = server.url if user is None else server.url_for(user, "secret")
    return ValkeyJobQueue(cast(Any, Valkey).from_url(url), ValkeyConfiguration(retention_policy=KEEP_ALL))


async def contents(client: Any) -> dict[bytes, bytes]:
    keys = [key async for key in client.scan_iter(count=1000) if not key.endswith(b"._layout")]
    return {key: await client.dump(key) for key in keys}


async def called_by(name: str, server: Server, admin: Any) -> list[str]:
    """The commands that a step calls, as its script says that it may."""
    step = STEPS[name]
    async with driver_at(server) as driver:
        scene = await step.prepare(driver)
        await admin.execute_command("CONFIG", "RESETSTAT")
        await step.ask(driver, scene)
        counted = {key.removeprefix("cmdstat_") for key in await admin.info("commandstats")}
    await admin.flushall()
    called = sorted(counted.intersection(COMMANDS))
    assert counted.intersection(COMMANDS) - GREETING <= step.script.commands
    return called


@pytest.mark.parametrize("server", EACH_KIND, ids=lambda kind: kind.id, indirect=True)
@pytest.mark.parametrize("name", STEPS)
async def test_a_right_that_was_never_there(name: str, server: Server, admin: Any) -> None:
    """The step is refused as a whole, if it may need the command, by an error that names it."""
    step = STEPS[name]
    async with driver_at(server, None) as everybody:
        scene = await step.prepare(everybody)
    before = await contents(admin)
    for command in COMMANDS if step.script in LOOKS else step.script.commands:
        await admin.execute_command("ACL", "SETUSER", "me", "+@all", f"-{command}")
        async with driver_at(server) as driver:
            if step.script in LOOKS:
                with suppress(ConfigurationError):
                    await step.ask(driver, scene)
            else:
                with pytest.raises(ConfigurationError, match=rf"\b{command}\b.*check password, user and rights"):
                    await step.ask(driver, scene)
        assert await contents(admin) == before, command


@pytest.mark.parametrize("name", STEPS)
async def test_a_right_that_is_taken_away(name: str, server: Server, admin: Any) -> None:
    """Whatever a step has done by then, each job is somewhere; when the right is back, the step can be done."""
    step = STEPS[name]
    commands = await called_by(name, server, admin)
    assert commands
    async with driver_at(server, None) as everybody, driver_at(server) as driver:
        for command in commands:
            await admin.execute_command("ACL", "SETUSER", "me", "+@all")
            scene = await step.prepare(driver)
            await admin.execute_command("ACL", "SETUSER", "me", f"-{command}")
            with suppress(ConfigurationError):  # or only those who greet need it
                await step.ask(driver, scene)
            found = await everybody.validate()
            assert {each.kind for each in found} <= HARMLESS, (command, found)
            if name not in REMOVING:
                assert None not in await statuses(everybody, scene), command
            await admin.execute_command("ACL", "SETUSER", "me", "+@all")
            held = [job.job_id async for job in everybody.jobs(JobStatus.PROCESSING)]
            for worker in ("worker", "other", "alive"):
                await driver.close_worker(worker)
            assert [job.job_id async for job in everybody.jobs(JobStatus.PROCESSING)] == [], command
            ends = [JobStatus.CANCELLED if step.prepare in ASKED else JobStatus.PENDING]
            if step.script is scripting.ABORT:
                ends.append(JobStatus.CANCELLED)
            for job_id in held:
                allowed = ends if job_id == scene.ids[0] else [JobStatus.PENDING]
                assert await everybody.status(job_id) in allowed, command
            await admin.flushall()
