"""What a test can do with a server, wherever it runs."""

import threading
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, ClassVar, Self, cast
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from valkey import Valkey
from valkey.exceptions import ConnectionError as NotConnected
from valkey.exceptions import TimeoutError as NoAnswer

from tests.support.ports import free_port
from tests.support.servers.options import ServerOptions

STARTUP = 20.0
"""Seconds that a server has to answer its first PING."""


class ServerError(Exception):
    """A server did not come up; the message ends with what it logged."""


class Server(ABC):
    """A real server. As a context manager it is started, and removed with its data at the end."""

    controllable: ClassVar[bool] = True
    """Whether it can be stopped, restarted, killed and frozen."""

    def __init__(self, kind: str, source: str, options: ServerOptions) -> None:
        self.kind = kind
        self.source = source
        self.options = options
        self._port = 0 if options.unix_socket else free_port()
        self.bus_port = free_port() if options.is_clustered else 0
        """Where other nodes of a cluster reach it. Its own choice would be among the ports given to connections."""
        self.version = ""
        """As the server tells it, once it has started."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The URL without user, password and database."""

    @property
    def url(self) -> str:
        """The URL with which the default user connects."""
        return self.url_for()

    @property
    def control_url(self) -> str:
        """The URL for a test that asks the server something itself, and often."""
        return self.url

    def url_for(self, user: str | None = None, password: str | None = None, database: int | None = None) -> str:
        """The URL of another user or database."""
        parts = urlsplit(self.address)
        netloc, path, query = parts.netloc, parts.path, parts.query
        password = self.options.password if password is None and user is None else password
        if password is not None:
            netloc = f"{quote(user or '', safe='')}:{quote(password, safe='')}@{netloc}"
        if database is not None and parts.scheme == "unix":
            query = "&".join(filter(None, [query, urlencode({"db": database})]))
        elif database is not None:
            path = f"/{database}"
        url = urlunsplit((parts.scheme, netloc, path, query, ""))
        return url if parts.scheme != "unix" or "://" in url else url.replace("unix:", "unix://", 1)

    def start(self) -> None:
        """Start it, with the data that it has, and wait until it answers.

        The first time it takes other ports if somebody has taken one meanwhile; later its address stays.
        """
        try:
            while not self._comes_up():
                self._move()
        except BaseException:
            self.close()
            raise

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped or killed since. A frozen one runs."""
        return not self._ended()

    def restart(self) -> None:
        """Stop it and start it at the same address; without `appendonly` its data is gone."""
        self.stop()
        self.start()

    def _comes_up(self) -> bool:
        """Whether it answers now; if not, another program has one of its ports."""
        try:
            self._launch()
            self._wait_until_up()
        except ServerError:
            if self.version or "Address already in use" not in self._log():
                raise
            return False
        return True

    def _move(self) -> None:
        """Take other ports, and forget what was logged."""
        self._port = free_port()
        self.bus_port = self.bus_port and free_port()

    def _listening(self) -> list[str]:
        """The server's arguments that say at which ports it listens."""
        bus = ["--cluster-port", str(self.bus_port)] if self.bus_port else []
        return ["--port", str(self._port), *bus]

    @abstractmethod
    def _launch(self) -> None: ...

    @abstractmethod
    def stop(self) -> None:
        """End it in order, as an operator would. `start` brings it back at the same address."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once (SIGKILL). `start` brings it back at the same address."""

    @abstractmethod
    def freeze(self) -> None:
        """Stop it from running (SIGSTOP): connections stay, and nothing is answered."""

    @abstractmethod
    def thaw(self) -> None:
        """Let it run again after `freeze`."""

    @abstractmethod
    def close(self) -> None:
        """End it, whatever its state, and remove its data."""

    def _log(self) -> str:
        return ""

    def _ended(self) -> bool:
        """Whether it is known to have ended."""
        return False

    def _wait_until_up(self) -> None:
        pause, deadline = threading.Event(), time.monotonic() + STARTUP
        # The blocking client has no complete types.
        client = cast(Any, Valkey).from_url(self.url, socket_timeout=1.0, socket_connect_timeout=1.0)
        try:
            while True:
                if self._ended():
                    raise ServerError(f"{self.kind} ended before it answered:\n{self._log()}")
                try:
                    client.ping()  # refused while the data is loaded, which INFO is not
                    break
                except (NotConnected, NoAnswer, OSError) as error:
                    if time.monotonic() > deadline:
                        raise ServerError(
                            f"{self.kind} does not answer at {self.url}: {error}\n{self._log()}"
                        ) from error
                    pause.wait(0.01)
            information = client.info("server")
        finally:
            client.close()
        self.version = information.get("valkey_version") or information["redis_version"]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.kind} at {self.address}>"
