"""The dashboard as a program of its own."""

import socket
from typing import Any

import pytest
import uvicorn

from jobsvalkey import JobQueue
from jobsvalkey.dashboard import dashboard
from jobsvalkey.dashboard.serving import serve
from jobsvalkey_memory import MemoryJobQueue


async def test_no_answer_waits_for_the_browser_to_acknowledge_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    delays, addresses = list[int](), list[str]()

    async def accept(_server: uvicorn.Server, sockets: list[Any]) -> None:
        (listener,) = sockets
        with socket.create_connection(listener.getsockname()[:2]), listener.accept()[0] as accepted:
            delays.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(uvicorn.Server, "serve", accept)
    await serve(dashboard(JobQueue(MemoryJobQueue())), "127.0.0.1", 0, addresses.append)
    assert [bool(each) for each in delays] == [True]
    assert addresses[0].startswith("http://127.0.0.1:")
