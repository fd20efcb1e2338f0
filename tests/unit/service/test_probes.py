"""The HTTP server beside a worker: it answers while the worker is busy, and while its event loop is blocked."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from jobsvalkey import ConfigurationError, HttpOptions, Load, StoreUnavailable
from jobsvalkey.service import probes as module
from jobsvalkey.service.health import ServiceHealth
from jobsvalkey.service.probes import Look, Probes
from tests.support.ports import free_port
from tests.support.waiting import until

LOAD = Load(
    due=1_234_567, delayed=2, waiting=5, processing=1, oldest_due=timedelta(seconds=1.5), workers=4, is_paused=True
)
IDLE = Load(due=0, delayed=0, processing=0, oldest_due=None, workers=0, is_paused=False)


def health(*, connected: bool = True) -> Callable[[], ServiceHealth]:
    return lambda: ServiceHealth(connected=connected, last_claim=None, running=7, lag=timedelta(0))


async def look() -> Mapping[str, Load]:
    return {"mail": LOAD, 'a "quote"\n\\': IDLE}


def serve(look: Look = look, *, connected: bool = True, **options: Any) -> Probes:
    return Probes(HttpOptions(port=0, **options), health(connected=connected), look)


async def get(probes: Probes, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{probes.port}") as http:
        return await http.get(path)


async def test_a_worker_that_runs_is_alive_and_ready() -> None:
    async with serve() as probes:
        for path in ("/healthz", "/readyz", "/readyz?verbose"):
            answer = await get(probes, path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
            assert {**answer.json(), "lag": 0} == {
                "ok": True,
                "connected": True,
                "running": 7,
                "blocked": False,
                "lag": 0,
            }


async def test_a_worker_without_a_server_is_alive_but_not_ready() -> None:
    async with serve(connected=False) as probes:
        assert (await get(probes, "/healthz")).status_code == 200
        answer = await get(probes, "/readyz")
        assert (answer.status_code, answer.json()["ok"], answer.json()["connected"]) == (503, False, False)


async def test_it_says_that_the_event_loop_is_blocked() -> None:
    async with serve(max_lag=timedelta(milliseconds=300)) as probes:
        found = list[httpx.Response]()

        def ask() -> None:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and not (found and found[-1].status_code == 503):
                found.append(httpx.get(f"http://127.0.0.1:{probes.port}/healthz"))
            blocked.set()

        blocked = threading.Event()
        asking = threading.Thread(target=ask)
        asking.start()
        blocked.wait(30)  # this blocks the event loop
        asking.join()
        assert found[-1].json()["blocked"] is True
        assert found[-1].json()["lag"] > 0.3

        async def is_well() -> bool:
            return (await get(probes, "/healthz")).status_code == 200

        await until(is_well)


async def test_the_load_as_json_and_for_prometheus() -> None:
    async with serve() as probes:
        assert json.loads((await get(probes, "/load")).text)["mail"] == {
            "due": 1_234_567,
            "delayed": 2,
            "waiting": 5,
            "processing": 1,
            "oldest_due_seconds": 1.5,
            "workers": 4,
            "paused": 1,
        }
        answer = await get(probes, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.text))
    found = {(sample.name, sample.labels["queue"]): sample.value for each in families for sample in each.samples}
    assert found["jobsvalkey_queue_due", "mail"] == 1_234_567
    assert found["jobsvalkey_queue_oldest_due_seconds", "mail"] == 1.5
    assert found["jobsvalkey_queue_paused", 'a "quote"\n\\'] == 0
    assert {each.type for each in families} == {"gauge"}
    assert len(found) == 14


async def test_a_load_that_cannot_be_had_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> Mapping[str, Load]:
        raise StoreUnavailable("the server is away", outcome="not_done")

    async def hang() -> Mapping[str, Load]:
        return await asyncio.Event().wait() and {}

    for broken, text in ((fail, "the server is away\n"), (hang, "no answer in time\n")):
        monkeypatch.setattr(module, "PATIENCE", 30 if broken is fail else 0.01)
        async with serve(broken) as probes:
            answer = await get(probes, "/metrics")
            assert (answer.status_code, answer.text) == (503, text)


async def test_other_paths_and_methods() -> None:
    async with serve() as probes, httpx.AsyncClient(base_url=f"http://127.0.0.1:{probes.port}") as http:
        assert (await http.get("/")).status_code == 404
        assert ((head := await http.head("/healthz")).status_code, head.content) == (200, b"")
        assert (await http.post("/healthz")).status_code == 501


async def test_a_client_that_says_nothing_holds_up_nobody() -> None:
    async with serve() as probes:
        silent = [socket.create_connection(("127.0.0.1", probes.port)) for _ in range(20)]
        assert (await get(probes, "/healthz")).status_code == 200
    for each in silent:
        each.close()


async def test_an_address_that_cannot_be_had() -> None:
    port = free_port()
    async with Probes(HttpOptions(port=port), health(), look):
        with pytest.raises(ConfigurationError, match=f"port {port}: Address already in use; choose another"):
            async with Probes(HttpOptions(port=port), health(), look):
                raise AssertionError
    async with Probes(HttpOptions(port=port), health(), look):  # it is free again
        pass


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"port": 70000}, "port is from 0 to 65535"),
        ({"port": "80"}, "port is a whole number"),
        ({"max_lag": timedelta(0)}, "max_lag is a time above zero"),
    ],
    ids=str,
)
def test_options_are_checked(options: dict[str, Any], text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        HttpOptions(**options)


def test_ipv6() -> None:
    async def ask() -> int:
        async with Probes(HttpOptions(host="::1", port=0), health(), look) as probes, httpx.AsyncClient() as http:
            return (await http.get(f"http://[::1]:{probes.port}/healthz")).status_code

    assert asyncio.run(ask()) == 200
