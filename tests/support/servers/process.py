"""A server that is a child process of the tests."""

import atexit
import os
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.support.ports import HOST
from tests.support.servers.options import ServerOptions
from tests.support.servers.server import Server, ServerError
from tests.support.servers.tls import TlsFront


class ProcessServer(Server):
    """Runs a server's binary, with its data in a temporary directory."""

    def __init__(self, kind: str, source: str, binary: Path, options: ServerOptions) -> None:
        super().__init__(kind, source, options)
        self.binary = binary
        self._directory = tempfile.TemporaryDirectory(prefix="jobsvalkey-")
        self._path = Path(self._directory.name)
        self._process: subprocess.Popen[bytes] | None = None
        self._front = TlsFront(self._path, HOST) if options.tls else None

    @property
    def address(self) -> str:
        """The URL without user, password and database."""
        if self.options.unix_socket:
            return f"unix://{self._path / 'server.sock'}"
        if self._front is not None:
            return f"valkeys://{HOST}:{self._front.port}?ssl_ca_certs={self._front.certificate}"
        return f"valkey://{HOST}:{self._port}"

    def _launch(self) -> None:
        with (self._path / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.binary, *self._arguments()],
                env={**os.environ, "LD_PRELOAD": self.options.preload} if self.options.preload else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        atexit.register(self.close)
        if self._front is not None:
            self._front.start(self._port)

    def _arguments(self) -> list[str]:
        where = [*self._listening(), "--bind", HOST, "--dir", str(self._path)]
        if self.options.unix_socket:
            where += ["--unixsocket", str(self._path / "server.sock")]
        return [*where, *self.options.arguments()]

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _move(self) -> None:
        (self._path / "log").unlink()
        super()._move()

    def _log(self) -> str:
        return (self._path / "log").read_text(errors="replace")[-2000:]

    def _signal(self, *signals: signal.Signals) -> None:
        if self._process is None:
            raise ServerError(f"{self.kind} is not running")
        for each in signals:
            self._process.send_signal(each)

    def _end(self, *signals: signal.Signals) -> None:
        if self._process is not None:
            self._signal(*signals)
            self._process.wait(10)
            self._process = None

    def stop(self) -> None:
        """End it in order, as an operator would. `start` brings it back at the same address."""
        self._end(signal.SIGCONT, signal.SIGTERM)

    def kill(self) -> None:
        """End it at once (SIGKILL). `start` brings it back at the same address."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it from running (SIGSTOP): connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run again after `freeze`."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, whatever its state, and remove its data."""
        atexit.unregister(self.close)
        self.kill()
        if self._front is not None:
            self._front.stop()
        self._directory.cleanup()
