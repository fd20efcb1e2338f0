"""What goes wrong is one line on stderr that says what to do."""

import asyncio
import os
import re
import subprocess
import sys
from importlib.metadata import version

import pytest
from valkey.asyncio import Valkey

from jobsvalkey.contract import JobName
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
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
    refused.assert_refused(1, "no permissions", "user and rights")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("foo://localhost", "schemes"),
        ("localhost:6379", "schemes"),
        ("valkey://localhost:port", "Port"),
        ("valkey://localhost/mail", "'mail' is not the number of a database"),
        ("valkey://[::1", "IPv6"),
        ("valkey+cluster://localhost/3", "no database but 0"),
        ("valkey+cluster://localhost,localhost:port", "Port"),
        ("valkey+sentinel://localhost", "no service"),
        ("valkey+sentinel://localhost/mymaster/mail", "'mail' is not the number of a database"),
        ("valkey+sentinel://localhost/mymaster?speed=high", "'speed'"),
        ("valkey+tree://localhost", "schemes"),
        ("valkey://localhost?speed=high", "'speed'"),
    ],
)
async def test_the_url_is_none(shell: Shell, command: list[str], url: str, word: str) -> None:
    (await shell(*command, "--url", url)).assert_refused(2, word, "valkey://HOST:PORT")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("foo://me:secret@localhost", "'***@localhost'"),
        ("valkey://me:secret@localhost:port", "'valkey://***@localhost:port'"),
        ("foo://localhost?db=1&password=secret&a=b", "'foo://localhost?db=1&password=***'"),
        ("valkeys://localhost:port?ssl_password=secret&db=1", "'valkeys://localhost:port?ssl_password=***'"),
        ("valkeys://me:secret@localhost?auth=secret", "'valkeys://***@localhost?auth=***'"),
        ("valkey://localhost?db=1&socket_timeout=secret", "'valkey://localhost?db=1&socket_timeout=***'"),
        ("valkey://localhost?db=secret", "'valkey://localhost?db=***'"),
        ("valkey://localhost:1;password=secret", "'valkey://localhost:1;password=***'"),
    ],
)
async def test_a_wrong_url_keeps_its_password(shell: Shell, url: str, shown: str) -> None:
    refused = await shell("info", "--url", url)
    refused.assert_refused(2, shown)
    assert "secret" not in refused.err


# The words are pieces of a password; between them is what has to be percent-encoded, and is not.
NOT_ENCODED = [
    "crimson{}blue@localhost",
    ":crimson{}blue@localhost:1",
    "me:crimson{}blue@localhost:1/0",
    "123:456{}7@localhost/0",
    "me:crimson{}blue{}green@[::1]:1/mail",
    "localhost?password=crimson{}blue",
    "localhost:port?db=1&password=crimson{}blue&a=b",
]
PIECES = re.compile(r"crimson|blue|green|456|\bme\b")


@pytest.mark.parametrize("rest", NOT_ENCODED)
@pytest.mark.parametrize("scheme", ["valkey://", "foo://", ""])
async def test_no_piece_of_a_password_that_is_not_encoded_is_shown(shell: Shell, scheme: str, rest: str) -> None:
    for character in "#/@?:[]&% ;\\=":
        url = scheme + rest.replace("{}", character)
        for command in (["info"], ["info", "--json"], ["push", "N", "1"]):
            found = await shell(*command, "--url", url)
            assert found.code in (1, 2)
            assert not PIECES.search(found.out + found.err), found
        if scheme:
            misplaced = await shell("info", url, queue=False)
            assert misplaced.code == 2
            assert not PIECES.search(misplaced.err), misplaced


@pytest.mark.parametrize("command", ["demo", "bench"])
@pytest.mark.parametrize("rest", NOT_ENCODED)
async def test_no_piece_of_a_password_is_shown_by_a_demo_or_a_benchmark(shell: Shell, command: str, rest: str) -> None:
    found = await shell(command, "--url", f"valkey://{rest.replace('{}', '#')}", queue=False)
    assert found.code in (1, 2)
    assert not PIECES.search(found.out + found.err), found


@pytest.mark.parametrize("character", "#/?")
async def test_a_password_that_is_not_encoded_is_told_how_to(shell: Shell, character: str) -> None:
    for user in ("", "12"):
        refused = await shell("info", "--url", f"valkey://{user}:34{character}x@localhost")
        refused.assert_refused(2, "valkey://***@localhost", "percent-encode user and password", "%23 for #")


@pytest.mark.parametrize("rest", NOT_ENCODED)
async def test_a_traceback_that_is_asked_for_has_no_piece_of_a_password(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, rest: str
) -> None:
    monkeypatch.setenv("JOBSVALKEY_DEBUG", "1")
    monkeypatch.setenv("JOBSVALKEY_URL", f"valkey://{rest.replace('{}', '#')}:x")
    found = await shell("info", queue=False)
    assert "Traceback" in found.err
    assert not PIECES.search(found.err), found.err


def run_closed(redirection: str, *words: str) -> tuple[int, str, str]:
    """Run a command in a shell that redirects its streams."""
    line = f'exec "$0" -m jobsvalkey.cli "$@" {redirection}'
    ended = subprocess.run(["sh", "-c", line, sys.executable, *words], capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "<&- >&-"])
@pytest.mark.parametrize(
    "words",
    [["jobs", "list"], ["jobs", "list", "--json"], ["info"], ["--help"], ["--version"], ["validate"]],
    ids=" ".join,
)
async def test_an_output_that_cannot_be_written_is_one_line(
    shell: Shell, queue: JobQueue[ValkeyJobQueue], redirection: str, words: list[str]
) -> None:
    await queue.push(JobName("N", int), 1)
    asked = words if words[0].startswith("--") else [*words, "--queue", shell.queue_key]
    code, out, err = await asyncio.to_thread(run_closed, redirection, *asked)
    assert (code, out) == (1, "")
    assert err.startswith("jobsvalkey: the output cannot be written (")
    assert err.count("\n") == 1


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">&- 2>&- <&-"])
async def test_an_error_that_cannot_be_printed_is_still_an_exit_code(shell: Shell, redirection: str) -> None:
    code, out, err = await asyncio.to_thread(run_closed, redirection, "jobs", "show", "nonsense")
    assert (code, out, err) == (2, "", "")


async def test_what_a_terminal_cannot_show_is_escaped(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    await queue.push(JobName("caf\u00e9", int), 1)
    words = [sys.executable, "-m", "jobsvalkey.cli", "jobs", "list", "--queue", shell.queue_key]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = await asyncio.to_thread(subprocess.run, words, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended
    assert "caf\\xe9" in ended.stdout


BAD = os.fsdecode(b"b\xffd")


@pytest.mark.parametrize(
    "words",
    [
        ["push", BAD, "1"],
        ["push", "N", BAD],
        ["push", "N", "1", "--delay", BAD],
        ["push", "N", "1", "--job-id", BAD],
        ["info", "--url", f"valkey://{BAD}"],
        ["info", "--queue", BAD],
        ["jobs", "show", BAD],
        ["jobs", "list", "--status", BAD],
        ["worker", f"{BAD}:service"],
        ["schedule", "list", BAD],
        [BAD],
        [f"--{BAD}"],
    ],
    ids=repr,
)
async def test_an_argument_that_is_not_utf_8_is_refused(shell: Shell, words: list[str]) -> None:
    (await shell(*words, queue=False)).assert_refused(2, "is not UTF-8", r"b\udcffd")


async def test_a_url_in_the_environment_that_is_not_utf_8_is_refused(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBSVALKEY_URL", f"valkey://{BAD}")
    (await shell("info")).assert_refused(2, r"b\udcffd", "valkey://HOST:PORT")


@pytest.mark.parametrize(("redirection", "word"), [("<&-", "not JSON"), ("</dev/null", "not JSON")])
async def test_parameters_from_an_input_that_gives_none(shell: Shell, redirection: str, word: str) -> None:
    code, _, err = await asyncio.to_thread(run_closed, redirection, "push", "N", "-")
    assert code == 2
    assert word in err


async def test_parameters_that_are_not_utf_8(shell: Shell) -> None:
    words = [sys.executable, "-m", "jobsvalkey.cli", "push", "N", "-"]
    ended = await asyncio.to_thread(subprocess.run, words, input=b'"\xff"', capture_output=True)
    assert ended.returncode == 2
    assert b"standard input is not UTF-8" in ended.stderr


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

    monkeypatch.setattr("jobsvalkey.cli.connection.make_any_client", broken)
    (await shell("info")).assert_refused(1, "unexpected KeyError", "JOBSVALKEY_DEBUG=1")
    monkeypatch.setenv("JOBSVALKEY_DEBUG", "1")
    found = await shell("info")
    assert found.code == 1
    assert found.err.startswith("Traceback")
    assert "KeyError" in found.err


async def test_version(shell: Shell) -> None:
    assert (await shell("--version", queue=False)).out == f"jobsvalkey {version('jobsvalkey')}\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    module = [sys.executable, "-m", "jobsvalkey.cli", "--help"]
    with subprocess.Popen(module, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
