"""Ports of the tests: below those of connections, and of one process each."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ports
from tests.support.ports import HOST, SHARE, free_port

ROOT = Path(__file__).parents[3]
SOME = 50


def test_ports_are_below_those_that_the_system_gives_to_connections() -> None:
    with socket.create_server((HOST, 0)) as given:
        given_by_the_system: int = given.getsockname()[1]
    assert max(free_port() for _ in range(SHARE)) < given_by_the_system


def test_a_port_comes_again_when_all_others_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_share", None)  # a share in which nobody listens
    assert len({free_port() for _ in range(SHARE - 1)}) == SHARE - 1


def test_a_port_that_somebody_listens_to_is_left_out() -> None:
    taken = free_port()
    with socket.create_server((HOST, taken)):
        assert taken not in {free_port() for _ in range(SHARE)}


def test_processes_have_different_ports() -> None:
    program = (
        f"from tests.support.ports import free_port\nprint([free_port() for _ in range({SOME})], flush=True)\ninput()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    found: list[int] = [free_port() for _ in range(SOME)]
    for process in processes:
        assert process.stdout is not None
        found += [int(port) for port in process.stdout.readline().decode().strip("[]\n").split(",")]
    for process in processes:
        process.communicate(b"\n")
    assert len(set(found)) == SOME * 4


def test_no_ports_left_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_port() // SHARE * SHARE
    monkeypatch.setattr(ports, "FIRST", first)
    monkeypatch.setattr(ports, "END", first + 1)
    monkeypatch.setattr(ports, "_share", None)
    with pytest.raises(OSError, match="other processes have taken all ports"):
        free_port()
