"""A small HTTP server next to a worker, for its supervisor: is it alive, is it ready, how much is there to do?

It has a thread of its own, so that it answers while all slots are busy, and also while a handler blocks the event loop,
which is just what it has to report.
"""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from socket import AF_INET, AF_INET6
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from jobsvalkey.contract import ConfigurationError, Load
from jobsvalkey.contract.option_types import check_types
from jobsvalkey.service.health import ServiceHealth

if TYPE_CHECKING:
    from http.server import ThreadingHTTPServer

Look = Callable[[], Awaitable[Mapping[str, Load]]]
"""Looks how much there is to do in each queue, by its key."""

BEAT: Final = 0.1
"""Seconds between two signs of life of the event loop."""
PATIENCE: Final = 5.0
"""Seconds within which the store has to say how much there is to do."""
_SLOW_CLIENT: Final = 5.0
"""Seconds after which a silent connection is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """The address where a worker answers probes over HTTP: `/healthz`, `/readyz`, `/load` and `/metrics`.

    Raises:
        ValueError: the port is out of range, or the lag is not above zero.
    """

    host: str = "127.0.0.1"
    """The address to listen at; `0.0.0.0` means all of this machine's addresses, `::` all of IPv6."""
    port: int = 8080
    """0 means any free port."""
    max_lag: timedelta = timedelta(seconds=5)
    """How long the event loop may be blocked before the worker counts as unhealthy."""

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port is from 0 to 65535, not {self.port}")
        if self.max_lag <= timedelta(0):
            raise ValueError(f"max_lag is a time above zero, not {self.max_lag}")


class Probes:
    """The server, from the beginning to the end of a block.

    Args:
        options: the address, and what counts as healthy.
        health: returns how the worker is doing. Called in the server's thread.
        look: returns how much there is to do. Awaited in the event loop.

    Raises:
        ConfigurationError: it cannot listen at the address.
    """

    def __init__(self, options: HttpOptions, health: Callable[[], ServiceHealth], look: Look) -> None:
        self._options = options
        self._health = health
        self._look = look
        self._beat = time.monotonic()
        self._max_lag = options.max_lag.total_seconds()
        self.port: int = options.port
        """The port that it listens at."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._server = _listen(self._options, self)
        self.port = self._server.server_address[1]
        self._beat = time.monotonic()
        self._beating = asyncio.create_task(self._live())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(BEAT,), name="jobsvalkey probes", daemon=True
        )
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beating.cancel()
        await asyncio.to_thread(self._server.shutdown)
        self._server.server_close()

    async def _live(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(BEAT)

    @property
    def lag(self) -> float:
        """Seconds for which the event loop has been blocked."""
        return max(0.0, time.monotonic() - self._beat - BEAT)

    def answer(self, path: str) -> tuple[HTTPStatus, str, str]:
        """Answer a request: status, type of the content, content."""
        match path:
            case "/healthz":
                return self._report(self.lag <= self._max_lag)
            case "/readyz":
                return self._report(self.lag <= self._max_lag and self._health().connected)
            case "/load":
                return self._answer_load(_as_json, "application/json")
            case "/metrics":
                return self._answer_load(_as_metrics, "text/plain; version=0.0.4; charset=utf-8")
            case _:
                return HTTPStatus.NOT_FOUND, "text/plain", "/healthz, /readyz, /load or /metrics\n"

    def _report(self, is_well: bool) -> tuple[HTTPStatus, str, str]:
        health, lag = self._health(), self.lag
        report = {
            "ok": is_well,
            "connected": health.connected,
            "running": health.running,
            "blocked": lag > self._max_lag,
            "lag": round(lag, 3),
        }
        status = HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", json.dumps(report) + "\n"

    def _answer_load(self, write: Callable[[Mapping[str, Load]], str], kind: str) -> tuple[HTTPStatus, str, str]:
        looking = asyncio.run_coroutine_threadsafe(_awaited(self._look), self._loop)
        try:
            return HTTPStatus.OK, kind, write(looking.result(PATIENCE))
        except Exception as error:
            looking.cancel()
            reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
            return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"{reason}\n"


def _listen(options: HttpOptions, probes: Probes) -> "ThreadingHTTPServer":
    # Imported when it is needed: most processes answer no probes.
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _SLOW_CLIENT
        # An answer is two writes: the second one would wait for 40 ms until the client acknowledges the first.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, kind, content = probes.answer(self.path.partition("?")[0])
            body = content.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - as http.server has it

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as http.server has it
            """Log nothing: probes come all the time."""

    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in options.host else AF_INET
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing of clients that go away."""

    try:
        return Server((options.host, options.port), Handler)
    except OSError as error:
        raise ConfigurationError(
            f"probes cannot be answered at {options.host}, port {options.port}: {error.strerror or error}; "
            "choose another address"
        ) from error


async def _awaited(look: Look) -> Mapping[str, Load]:
    return await look()


def _as_json(loads: Mapping[str, Load]) -> str:
    return (
        json.dumps({queue: {name: value for name, value, _ in _values(load)} for queue, load in loads.items()}) + "\n"
    )


def _as_metrics(loads: Mapping[str, Load]) -> str:
    lines = list[str]()
    metrics: dict[str, tuple[str, list[tuple[str, float]]]] = {}
    for queue, load in loads.items():
        for name, value, text in _values(load):
            metrics.setdefault(name, (text, []))[1].append((queue, value))
    for name, (text, values) in metrics.items():
        lines += [f"# HELP jobsvalkey_queue_{name} {text}", f"# TYPE jobsvalkey_queue_{name} gauge"]
        lines += [f'jobsvalkey_queue_{name}{{queue="{_escaped(queue)}"}} {value:.15g}' for queue, value in values]
    return "\n".join(lines) + "\n"


def _values(load: Load) -> list[tuple[str, float, str]]:
    return [
        ("due", load.due, "Pending jobs whose time has come."),
        ("delayed", load.delayed, "Pending jobs whose time has not come."),
        ("waiting", load.waiting, "Jobs that wait for others."),
        ("processing", load.processing, "Jobs that run."),
        (
            "oldest_due_seconds",
            0.0 if load.oldest_due is None else load.oldest_due.total_seconds(),
            "For how long the first of the due jobs has been due.",
        ),
        ("workers", load.workers, "Workers that are alive."),
        ("paused", int(load.is_paused), "Whether the queue is paused."),
    ]


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
