"""What goes wrong is one line on stderr that says what to do."""

import subprocess
import sys
from importlib.metadata import version

import pytest
from valkey.asyncio import Valkey

from tests.conftest import StartServer
from tests.support.servers import ServerOptions
from tests.unit.cli.shell import Shell

ID = "01A20E1A-8CD3-70FF-9221-40EC08865C76"
COMMANDS = [
    ["push", "N", "1"],
    ["info"],
    ["jobs", "list"],
    ["jobs", "show", ID],
    ["jobs", "cancel", ID],
    ["jobs", "rerun", ID],
    ["cleanup", "--failed", "rerun"],
    ["cleanup", "--recover"],
    ["validate"],
]
NOBODY = "valkey://127.0.0.1:1"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_the_server_is_down(shell: Shell, command: list[str]) -> None:
    (await shell(*command, "--url", NOBODY)).assert_refused(1, "cannot be reached", "nothing was done", "--url")


@pytest.mark.parametrize("command", ["demo", "bench"])
async def test_no_server_for_a_demo_or_a_benchmark(shell: Shell, command: str) -> None:
    (await shell(command, "--url", NOBODY, queue=False)).assert_refused(1, "cannot be reached", "--url")


async def test_a_user_may_do_little(shell: Shell, start_server: StartServer) -> None:
    server = start_server(ServerOptions(users={"me": "on >secret ~* &* +@all -info"}))
    refused = await shell("info", "--url", server.url_for("me", "secret"))
    refused.assert_refused(1, "no permissions", "rights of the user")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("foo://localhost", "schemes"),
        ("localhost:6379", "schemes"),
        ("valkey://localhost:port", "Port"),
        ("valkey://localhost/mail", "'mail' is not the number of a database"),
        ("valkey://[::1", "IPv6"),
        ("valkey://localhost?speed=high", "'speed'"),
    ],
)
async def test_the_url_is_none(shell: Shell, command: list[str], url: str, word: str) -> None:
    (await shell(*command, "--url", url)).assert_refused(2, word, "valkey://HOST:PORT")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("foo://me:secret@localhost", "foo://me:***@localhost"),
        ("foo://localhost?db=1&password=secret&a=b", "foo://localhost?db=1&password=***&a=b"),
    ],
)
async def test_a_wrong_url_keeps_its_password(shell: Shell, url: str, shown: str) -> None:
    refused = await shell("info", "--url", url)
    refused.assert_refused(2, shown)
    assert "secret" not in refused.err


async def test_the_password_is_wrong(shell: Shell, start_server: StartServer) -> None:
    server = start_server(ServerOptions(password="right"))
    for url in (server.url_for(password="wrong"), server.address):
        for command in COMMANDS:
            (await shell(*command, "--url", url)).assert_refused(1, "check password, user and rights")


async def test_the_server_is_frozen(shell: Shell, start_server: StartServer) -> None:
    server = start_server()
    server.freeze()
    refused = await shell("push", "N", "1", "--url", f"{server.url}?socket_timeout=0.3")
    server.thaw()
    refused.assert_refused(1, "no answer in time")


async def test_the_server_is_full(shell: Shell, start_server: StartServer) -> None:
    server = start_server(ServerOptions(maxmemory="1kb"))
    (await shell("push", "N", "1", "--url", server.url)).assert_refused(1, "out of memory", "nothing was stored")


async def test_a_key_of_the_wrong_type_is_in_the_way(shell: Shell, valkey_client: Valkey) -> None:
    await valkey_client.set(f"{shell.queue_key}.pending", "mine")
    for command in (["push", "N", "1"], ["info"], ["jobs", "list"]):
        (await shell(*command)).assert_refused(1, "in use for something else", "another queue_key")


async def test_the_queue_has_no_name(shell: Shell) -> None:
    (await shell("info", "--queue", "", queue=False)).assert_refused(2, "--queue", "queue_key")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["Missing command: see jobsvalkey --help"]),
        (["jobs"], ["Missing command: see jobsvalkey jobs --help"]),
        (["nothing"], ["No such command 'nothing'"]),
        (["info", "--nothing"], ["No such option: --nothing", "jobsvalkey info --help"]),
        (["jobs", "list", "--limit", "0"], ["--limit", "jobsvalkey jobs list --help"]),
        (["jobs", "list", "--status", "lost"], ["--status", "pending"]),
        (["bench", "--rounds", "no"], ["--rounds"]),
        (["worker", "a:b", "--processes", "0"], ["--processes"]),
        (["worker", "a:b", "--log-level", "loud"], ["--log-level", "debug"]),
    ],
)
async def test_wrong_usage(shell: Shell, arguments: list[str], words: list[str]) -> None:
    (await shell(*arguments, queue=False)).assert_refused(2, *words)


async def test_an_error_of_ours_shows_its_traceback_on_request(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_url: str) -> None:
        raise KeyError("oh\ndear")

    monkeypatch.setattr("jobsvalkey.cli.connection.make_client", broken)
    (await shell("info")).assert_refused(1, "unexpected KeyError", "JOBSVALKEY_DEBUG=1")
    monkeypatch.setenv("JOBSVALKEY_DEBUG", "1")
    with pytest.raises(KeyError):
        await shell("info")


async def test_version(shell: Shell) -> None:
    assert (await shell("--version", queue=False)).out == f"jobsvalkey {version('jobsvalkey')}\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    module = [sys.executable, "-m", "jobsvalkey.cli", "--help"]
    with subprocess.Popen(module, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
