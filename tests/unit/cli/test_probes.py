"""`jobsvalkey worker --http`, as processes."""

import re
import statistics
from typing import Any

import httpx
import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families

from jobsvalkey.cli.probing import read_probes
from jobsvalkey.contract import JobName
from jobsvalkey.runtime import JobQueue
from jobsvalkey.service import HttpOptions
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.ports import free_port
from tests.support.stopwatch import Stopwatch
from tests.support.waiting import until
from tests.unit.cli.workers import REST, Workers, family

BLOCK = JobName("block", str)
PROBED = """
from jobsvalkey import HttpOptions
from app import *
probed = JobService(driver(), processor=options, http=HttpOptions(port=int(os.environ["PORT"])))
probed.register_job(JobName("rest", str), rest)
"""


@pytest.fixture
def port(workers: Workers) -> int:
    port = free_port()
    workers.environment["PORT"] = str(port)
    (workers.folder / "probed.py").write_text(PROBED)
    return port


async def ask(port: int, path: str) -> Any:
    """Ask once: status, and content; `None` if nobody listens."""
    try:
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{port}{path}", timeout=30)
    except httpx.TransportError:
        return None
    return answer.status_code, answer.text


@pytest.mark.parametrize("arguments", [("app:service", "--http"), ("probed:probed",)], ids=str)
async def test_a_worker_is_ready_and_answers_while_its_slots_are_busy(
    workers: Workers, queue: JobQueue[ValkeyJobQueue], arguments: tuple[str, ...], port: int
) -> None:
    file = workers.folder / "long"
    await queue.push(REST, str(file))
    await queue.push(REST, str(file))
    address = (f"127.0.0.1:{port}",) if "--http" in arguments else ()
    async with workers.start(*arguments, *address) as process:

        async def is_ready() -> bool:
            answer = await ask(port, "/readyz")
            return answer is not None and answer[0] == 200

        await until(is_ready)
        await until(file.exists)
        times = list[float]()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            for _ in range(20):
                watch = Stopwatch(lambda: [each.pid for each in family(process)])
                assert (await http.get("/healthz")).status_code == 200
                times.append(watch.seconds())
        assert statistics.median(times) < 0.04, times
        _, text = await ask(port, "/metrics")
        found = {each.name: each.samples[0].value for each in text_string_to_metric_families(text)}
        assert (found["jobsvalkey_queue_processing"], found["jobsvalkey_queue_due"]) == (1, 1)


async def test_a_blocked_worker_says_so(workers: Workers, queue: JobQueue[ValkeyJobQueue], port: int) -> None:
    file = workers.folder / "blocked"
    await queue.push(BLOCK, str(file))
    async with workers.start("app:hasty", "--http", f"127.0.0.1:{port}"):
        await until(file.exists)

        async def says_so() -> bool:
            status, text = await ask(port, "/healthz")
            return status == 503 and '"blocked": true' in text

        await until(says_so)


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("probed:probed", "--processes", "2"), 2, r"probes are those of one process"),
        (("app:service", "--http", "127.0.0.1:1", "--watch"), 2, r"--watch is for development"),
        (("app:service", "--http", "192.0.2.1:1"), 1, r"probes cannot be answered at 192.0.2.1, port 1: .*; choose"),
    ],
    ids=str,
)
async def test_what_cannot_work_is_one_clear_error(
    workers: Workers, port: int, arguments: tuple[str, ...], code: int, why: str
) -> None:
    result = await workers.run(*arguments)
    assert (result.code, re.search(why, result.err) is not None) == (code, True), result
    assert len(result.err.splitlines()) <= 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "own"),
        ("none", None),
        ("0.0.0.0:80", HttpOptions(host="0.0.0.0", port=80)),  # noqa: S104
        ("[::1]:8080", HttpOptions(host="::1")),
    ],
)
def test_addresses(text: str | None, expected: object) -> None:
    assert read_probes(text) == expected


@pytest.mark.parametrize(
    ("text", "why"), [("8080", "no address"), (":1", "no address"), ("a:b", "no address"), ("a:99999", "to 65535")]
)
def test_what_is_no_address(text: str, why: str) -> None:
    with pytest.raises(typer.BadParameter, match=f"{why}.*; write HOST:PORT"):
        read_probes(text)


async def test_probes_can_be_left_out(workers: Workers, port: int) -> None:
    result = await workers.run("probed:probed", "--processes", "2", "--http", "none", "--burst")
    assert result.code == 0, result
