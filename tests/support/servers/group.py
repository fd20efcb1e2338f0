"""What sets of servers have in common."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urlsplit

from valkey import Valkey
from valkey.exceptions import ValkeyError

from tests.support.servers.server import STARTUP, Server, ServerError


class Group:
    """Servers that belong together. As a context manager they are started, and removed with their data at the end."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def start(self) -> None:
        """Start all, and wait until they are of use."""
        raise NotImplementedError

    def close(self) -> None:
        """End all, whatever their state, and remove their data."""
        self._stack.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def port_of(server: Server) -> int:
    """The port of a server that listens on one."""
    port = urlsplit(server.address).port
    assert port is not None, server.address
    return port


def ask(server: Server, *words: object) -> Any:
    """What a server answers to one command."""
    # The blocking client has no complete types, and reads what some commands answer in a form of its own.
    client = cast(Any, Valkey).from_url(server.control_url, socket_timeout=2.0)
    client.response_callbacks.clear()
    with client:
        return client.execute_command(*words)


def wait_for(what: str, condition: Callable[[], bool], within: float = STARTUP) -> None:
    """Wait until it is true, whatever servers answer meanwhile; the error says `what` did not come about."""
    deadline, pause = time.monotonic() + within, Event()
    while True:
        try:
            if condition():
                return
        except (ValkeyError, OSError) as error:
            if time.monotonic() > deadline:
                raise ServerError(f"{what}: {error}") from error
        if time.monotonic() > deadline:
            raise ServerError(f"not within {within:.0f} s: {what}")
        pause.wait(0.02)
