"""`jobsvalkey dashboard`: it serves, says where, and refuses to be seen from elsewhere by anybody."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from jobsvalkey.contract import JobName
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.dashboards import served
from tests.support.servers import Server
from tests.unit.cli.shell import Shell

NAME = JobName("Send <mail>", int)


@asynccontextmanager
async def opened(*arguments: str, **environment: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a dashboard that runs as a process."""
    async with served(*arguments, **environment) as address, httpx.AsyncClient(base_url=address) as http:
        yield http


async def test_it_shows_the_queues(queue: JobQueue[ValkeyJobQueue], default_server: Server, queue_key: str) -> None:
    await queue.push(NAME, 1)
    other = f"{queue_key}-other"
    async with opened("--url", default_server.url, "--queue", queue_key, "--queue", other) as http:
        page = (await http.get("/")).text
        assert queue_key in page
        assert other in page
        assert "Send &lt;mail&gt;" in (await http.get(f"/queue/{queue_key}/jobs/pending")).text
        async with http.stream("GET", "/live") as live:  # it does not keep the process
            assert (await anext(live.aiter_lines())).startswith("data: {")


async def test_users_are_asked_for_their_password(default_server: Server, queue_key: str) -> None:
    users = {"JOBSVALKEY_DASHBOARD_USERS": "ada:se:cret:operator bob:x:viewer"}
    async with opened("--url", default_server.url, "--queue", queue_key, **users) as http:
        assert (await http.get("/")).status_code == 401
        assert (await http.get("/", auth=("ada", "se:cret"))).status_code == 200
        assert "may look" in (await http.get("/", auth=("bob", "x"))).text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])  # noqa: S104 - that is what is refused
async def test_others_are_not_let_in_without_users(shell: Shell, host: str) -> None:
    refused = await shell("dashboard", "--host", host)
    refused.assert_refused(2, "JOBSVALKEY_DASHBOARD_USERS", host)


@pytest.mark.parametrize("users", ["ada", "ada:secret", "ada:secret:owner", "ada::operator", ":secret:viewer"])
async def test_users_that_make_no_sense_are_refused(shell: Shell, monkeypatch: pytest.MonkeyPatch, users: str) -> None:
    monkeypatch.setenv("JOBSVALKEY_DASHBOARD_USERS", users)
    refused = await shell("dashboard", "--port", "0")
    refused.assert_refused(2, "JOBSVALKEY_DASHBOARD_USERS")
    assert "secret" not in refused.err


async def test_a_port_that_is_taken_is_said_so(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        (await shell("dashboard", "--port", port)).assert_refused(1, f"127.0.0.1:{port}", "--port")
