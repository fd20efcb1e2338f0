"""A password is shown nowhere: not in errors, logs, `repr`, tracebacks, or the list of processes."""

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobsvalkey import JobQueue, JobsError, JobService, ProcessorOptions
from jobsvalkey.cli.main import main
from jobsvalkey.dashboard import Authentication
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.security.conftest import SERVICE
from tests.support.drivers import client_of
from tests.support.ports import free_port
from tests.support.processors import run_in_background
from tests.support.servers import Server, ServerOptions, local_kind
from tests.support.waiting import until
from tests.support.work import Work

MARK = "mArKeD-pAsSwOrD"
BRIEF = ValkeyConfiguration(queue_key="secrets", operation_timeout=timedelta(seconds=0.3))


@pytest.fixture(scope="module")
def tls() -> Any:
    with local_kind().make(ServerOptions(users={"me": f"on >{MARK} ~secrets* +@all -@scripting"})) as server:
        yield server


def urls(server: Server) -> dict[str, str]:
    host = server.url.partition("://")[2].rpartition("@")[2]
    return {
        "a wrong password": f"valkey://me:{MARK}wrong@{host}",
        "missing rights": f"valkey://me:{MARK}@{host}",
        "nobody there": f"valkey://me:{MARK}@127.0.0.1:{free_port()}",
        "no such host": f"valkey://me:{MARK}@nowhere.invalid:6379",
        "no TLS there": f"valkeys://me:{MARK}@{host}",
        "an option": f"valkey://me@{host}?password={MARK}wrong",
        "a cluster that is none": f"valkey+cluster://me:{MARK}@{host}",
        "no Sentinel": f"valkey+sentinel://me:{MARK}@{host}/service",
    }


WAYS = ("a wrong password", "missing rights", "nobody there", "no such host", "no TLS there", "an option")
Doing = Callable[[ValkeyJobQueue], Awaitable[Any]]
DOINGS: dict[str, Doing] = {
    "push": lambda driver: JobQueue(driver).push(Work()),
    "work": lambda driver: _work(driver),
    "look": lambda driver: driver.counts(),
    "wait": lambda driver: driver.wait("worker", timedelta(seconds=0.1)),
}


async def _work(driver: ValkeyJobQueue) -> None:
    async with run_in_background(JobQueue(driver).processor(ProcessorOptions(graceful_shutdown_timeout=timedelta(0)))):
        await asyncio.sleep(0.1)


def texts(error: BaseException) -> str:
    """All that can be seen of an error, with those behind it."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))


@pytest.mark.parametrize("doing", DOINGS)
@pytest.mark.parametrize("way", WAYS)
async def test_errors_logs_and_reprs(way: str, doing: str, tls: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = client_of(urls(tls)[way])
    driver = ValkeyJobQueue(client, BRIEF)
    seen = ""
    try:
        await DOINGS[doing](driver)
    except (JobsError, OSError) as error:
        seen = texts(error)
    finally:
        queue, service = JobQueue(driver), JobService(driver)
        shown = [driver, queue, service, queue.processor(), driver.configuration, getattr(driver, "address", "")]
        await driver.aclose()
        await client.aclose()
    logged = caplog.text + "".join(
        str(vars(record)) for record in caplog.records if record.name.startswith("jobsvalkey")
    )
    assert MARK not in seen
    assert MARK not in logged
    assert MARK not in "".join(map(repr, shown))


@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.parametrize(
    "way",
    # Where nobody speaks TLS, each command tries for seconds.
    [pytest.param(way, marks=[pytest.mark.slow] if way == "no TLS there" else []) for way in WAYS]
    + ["a cluster that is none", "no Sentinel"],
)
def test_what_commands_print(
    way: str, debug: str, tls: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOBSVALKEY_DEBUG", debug)
    url = urls(tls)[way]
    codes = set[int]()
    for words in (["info"], ["push", "Work", "{}"], ["validate"]):
        codes.add(main([*words, "--queue", "secrets", "--url", url]))
        printed = capsys.readouterr()
        assert MARK not in printed.out + printed.err, printed.err
    assert codes & {1, 2}


def test_users_of_the_dashboard() -> None:
    assert MARK not in repr(Authentication(operators={"ada": MARK}))
    with pytest.raises(ValueError, match="user 'ada'") as refused:
        Authentication(operators={"ada": MARK}, viewers={"ada": MARK})
    assert MARK not in texts(refused.value)


async def test_the_list_of_processes(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SERVICE)
    with local_kind().make(ServerOptions(users={"me": f"on >{MARK} ~* &* +@all"})) as server:
        environment = {**os.environ, "JOBSVALKEY_URL": server.url_for("me", MARK), "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, "-m", "jobsvalkey.cli", "worker", "shop:service", "--processes", "2"]
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=tmp_path, stderr=asyncio.subprocess.PIPE
        )
        try:
            await until(lambda: len(_children(process.pid)) >= 2)
            lines = [_command_line(number) for number in (process.pid, *_children(process.pid))]
        finally:
            process.terminate()
            said = (await process.communicate())[1].decode()
    assert all("shop:service" in line for line in lines)
    assert MARK not in "".join(lines) + said


def _children(number: int) -> list[int]:
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{number}/task/{number}/children").read_text().split()]
    return []


def _command_line(number: int) -> str:
    return Path(f"/proc/{number}/cmdline").read_text().replace("\0", " ")
