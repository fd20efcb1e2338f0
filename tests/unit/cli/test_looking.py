"""`jobsvalkey info` and `jobsvalkey validate`."""

from datetime import timedelta
from typing import Any

from valkey.asyncio import Valkey

from jobsvalkey.contract import JobName
from jobsvalkey.runtime import JobOptions, JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from tests.conftest import StartServer
from tests.support.servers import Server, ServerOptions
from tests.unit.cli.shell import Shell

NAME = JobName("N", int)


async def test_info_counts(shell: Shell, queue: JobQueue[ValkeyJobQueue], default_server: Server) -> None:
    await queue.push(NAME, 1)
    await queue.pause(await queue.push(NAME, 2))
    await queue.push(NAME, 3, options=JobOptions(delay=timedelta(hours=1)))
    found = (await shell("info", "--json")).json
    nothing = {"waiting": 0, "processing": 0, "completed": 0, "failed": 0, "cancelled": 0}
    assert found["jobs"] == {"pending": 2, "paused": 1, **nothing}
    assert found["queue"] == shell.queue_key
    assert found["server"].split()[1].count(".") == 2
    assert 0 < found["seconds_behind"] < 60
    lines = (await shell("info")).out.splitlines()
    assert ["pending", "2"] in [line.split() for line in lines]


async def test_info_shows_no_password(shell: Shell, start_server: StartServer) -> None:
    server = start_server(ServerOptions(password="secret"))
    shown = await shell("info", "--url", server.url)
    assert shown.code == 0
    assert "valkey://***@" in shown.out
    assert "secret" not in shown.out


async def test_validate_finds_nothing(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    await queue.push(NAME, 1)
    assert (await shell("validate")).out == f"queue {shell.queue_key} is consistent\n"
    assert (await shell("validate", "--json")).json == []


async def test_validate_finds_a_lost_payload(
    shell: Shell, queue: JobQueue[ValkeyJobQueue], valkey_client: Valkey
) -> None:
    job_id = await queue.push(NAME, 1)
    await valkey_client.delete(f"{shell.queue_key}/{job_id}")
    found = await shell("validate", "--json")
    found.assert_refused(1, "1 inconsistencies", "jobs remove")
    assert found.json == [{"kind": "missing_payload", "job_id": str(job_id)}]
    assert f"missing_payload  {job_id}" in (await shell("validate")).out


async def test_what_validate_finds_can_be_removed(
    shell: Shell, queue: JobQueue[ValkeyJobQueue], valkey_client: Any
) -> None:
    lost, twice, nowhere = [str(await queue.push(NAME, number)) for number in range(3)]
    await valkey_client.delete(f"{shell.queue_key}/{lost}")
    await valkey_client.zadd(f"{shell.queue_key}.paused", {twice: 1})
    await valkey_client.zrem(f"{shell.queue_key}.pending", nowhere)
    found = {each["job_id"]: each["kind"] for each in (await shell("validate", "--json")).json}
    assert found == {lost: "missing_payload", twice: "several_states", nowhere: "unlisted_payload"}
    assert (await shell("jobs", "remove", *found)).code == 0
    assert (await shell("validate", "--json")).json == []
    assert [key async for key in valkey_client.scan_iter(f"{shell.queue_key}/*")] == []


async def test_a_paused_queue_is_shown_and_resumed(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    assert (await shell("info", "--json")).json["paused"] is False
    assert (await shell("queue", "pause")).out == f"queue {shell.queue_key} is paused\n"
    assert await queue.is_queue_paused()
    assert (await shell("info", "--json")).json["paused"] is True
    lines = [line.split() for line in (await shell("info")).out.splitlines()]
    assert ["queue", "paused", "True"] in lines
    assert ["paused", "0"] in lines
    assert (await shell("queue", "resume")).out == f"queue {shell.queue_key} is resumed\n"
    assert not await queue.is_queue_paused()


async def test_the_load_of_a_queue_is_shown(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    idle = {"due": 0, "delayed": 0, "waiting": 0, "processing": 0, "oldest_due": None, "workers": 0, "is_paused": False}
    assert (await shell("queue", "load", "--json")).json == idle
    await queue.push(NAME, 1)
    await queue.push(NAME, 3, options=JobOptions(delay=timedelta(hours=1)))
    found = (await shell("queue", "load", "--json")).json
    assert found == idle | {"due": 1, "delayed": 1, "oldest_due": found["oldest_due"]}
    assert 0 < found["oldest_due"] < 60
    assert ["delayed", "1"] in [line.split() for line in (await shell("queue", "load")).out.splitlines()]
