"""The servers of the tests do what the tests rely on."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from valkey import Valkey
from valkey.exceptions import AuthenticationError, OutOfMemoryError
from valkey.exceptions import ConnectionError as NotConnected
from valkey.exceptions import TimeoutError as NoAnswer

from tests.support.ports import HOST
from tests.support.servers import (
    Server,
    ServerError,
    ServerKind,
    ServerOptions,
    container,
    default_kind,
    found_kinds,
    local_kind,
)
from tests.support.servers.group import port_of
from tests.support.waiting import PATIENCE

Start = Callable[..., Server]


def client(url: str, timeout: float = PATIENCE) -> Any:
    return cast(Any, Valkey).from_url(url, socket_timeout=timeout)


def test_a_library_is_loaded_before_those_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    started, start = list[Any](), cast(Any, subprocess.Popen)

    def note(*arguments: Any, **options: Any) -> Any:
        started.append(options["env"])
        return start(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", note)
    for preload in (None, "libm.so.6"):
        with local_kind().make(ServerOptions(preload=preload)) as server, client(server.url) as valkey:
            assert valkey.ping()
    assert started == [None, {**os.environ, "LD_PRELOAD": "libm.so.6"}]


def test_a_server_of_each_kind_answers(server: Server) -> None:
    with client(server.url) as valkey:
        assert valkey.ping()
    assert server.kind in {"container", "url"} or server.kind.endswith(server.version.rsplit(".", 1)[0])


def test_the_default_server_is_the_default_kind(default_server: Server) -> None:
    assert default_server.kind == default_kind().id


@pytest.mark.parametrize("answers", [True, False])
def test_all_processes_of_a_run_have_the_same_servers(monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    """Whatever the engine says to the second one that asks."""
    monkeypatch.delenv(container.ANSWERS)
    said = iter([answers, not answers])
    monkeypatch.setattr(container, "_asked", lambda: next(said))
    assert [container.engine_answers(), container.engine_answers()] == [answers, answers]


CONTROLLED = [kind for kind in found_kinds() if kind.id != "url"]


@pytest.fixture(params=CONTROLLED, ids=lambda kind: kind.id)
def kind(request: pytest.FixtureRequest) -> ServerKind:
    return request.param


def test_data_is_gone_after_a_restart_and_kept_with_appendonly(start_server: Start, kind: ServerKind) -> None:
    for appendonly, expected in ((False, None), (True, b"value")):
        server = start_server(ServerOptions(appendonly=appendonly, settings={"appendfsync": "always"}), kind)
        with client(server.url) as valkey:
            valkey.set("key", "value")
        url = server.url
        server.restart()
        with client(url) as valkey:
            assert valkey.get("key") == expected


def test_a_killed_server_is_away_and_comes_back_at_its_address(start_server: Start, kind: ServerKind) -> None:
    server = start_server(kind=kind)
    server.kill()
    with client(server.url) as valkey:
        with pytest.raises((NotConnected, NoAnswer)):
            valkey.ping()
        server.start()
        assert valkey.ping()


def test_a_frozen_server_keeps_its_connections_and_answers_nothing(start_server: Start, kind: ServerKind) -> None:
    server = start_server(kind=kind)
    with client(server.url) as valkey, client(server.url, timeout=0.2) as impatient:
        connection = valkey.client_id()
        server.freeze()
        with pytest.raises(NoAnswer):
            impatient.ping()
        server.thaw()
        assert valkey.client_id() == connection


def test_a_frozen_server_can_be_closed(start_server: Start) -> None:
    server = start_server()
    server.freeze()
    server.close()
    with client(server.url) as valkey, pytest.raises(NotConnected):
        valkey.ping()


def test_a_password_is_asked_for(start_server: Start, kind: ServerKind) -> None:
    server = start_server(ServerOptions(password="p@ss:word/1"), kind)
    with client(server.url) as valkey:
        assert valkey.ping()
    with client(server.address) as valkey, pytest.raises(AuthenticationError):
        valkey.ping()


def test_a_user_may_do_what_the_rules_say(start_server: Start) -> None:
    server = start_server(ServerOptions(users={"worker": "on >secret ~mine* &* +@all -flushall"}))
    with client(server.url_for("worker", "secret", database=3)) as valkey:
        assert valkey.set("mine", 1)
        assert valkey.acl_whoami() == "worker"
    with client(server.url_for(database=3)) as valkey:
        assert valkey.get("mine") == b"1"


def test_tls_is_checked_against_the_certificate(start_server: Start) -> None:
    server = start_server(ServerOptions(tls=True, password="secret"))
    with client(server.url) as valkey:
        assert valkey.ping()
    server.restart()
    with client(server.url_for(password="secret", database=1)) as valkey:
        assert valkey.ping()
    with client(server.address.partition("?")[0]) as valkey, pytest.raises(NotConnected, match="CERTIFICATE_VERIFY"):
        valkey.ping()


def test_a_unix_socket(start_server: Start) -> None:
    server = start_server(ServerOptions(unix_socket=True, password="secret"))
    assert server.url.startswith("unix://")
    with client(server.url_for(password="secret", database=2)) as valkey:
        assert valkey.set("key", 1)
    with client(server.url) as valkey:
        assert valkey.get("key") is None


def test_a_full_server_refuses_writes(start_server: Start) -> None:
    server = start_server(ServerOptions(maxmemory="4mb"))
    with client(server.url) as valkey:
        assert valkey.setrange("large", 16_000_000, "x")
        with pytest.raises(OutOfMemoryError):
            valkey.set("small", b"x")


def test_a_server_that_does_not_start_says_why(start_server: Start) -> None:
    with pytest.raises(ServerError, match=r"no-such-setting"):
        start_server(ServerOptions(settings={"no-such-setting": "1"}))


def told(server: Server, setting: str) -> int:
    with client(server.url) as valkey:
        return int(valkey.config_get(setting)[setting])


@pytest.mark.parametrize("which", ["port", "cluster-port"])
def test_a_port_that_was_taken_in_between_is_given_up_for_another(kind: ServerKind, which: str) -> None:
    server = kind.make(ServerOptions(settings={"cluster-enabled": "yes"}))
    chosen = {"port": port_of(server), "cluster-port": server.bus_port}
    with socket.create_server((HOST, chosen[which])), server:
        assert told(server, which) not in {0, chosen[which]}
        assert told(server, "port") == port_of(server)
        assert told(server, "cluster-port") == server.bus_port


def test_a_server_that_was_up_keeps_its_address(start_server: Start) -> None:
    server = start_server()
    server.stop()
    with socket.create_server((HOST, port_of(server))), pytest.raises(ServerError, match="Address already in use"):
        server.start()


def test_nothing_is_left_on_disk(start_server: Start) -> None:
    server = local_kind().make(ServerOptions(appendonly=True, unix_socket=True))
    with server:
        directory = Path(server.address.removeprefix("unix://")).parent
        assert directory.is_dir()
    assert not directory.exists()
