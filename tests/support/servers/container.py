"""A server in a container, by testcontainers."""

import gc
import os
import sys
import warnings
from contextlib import suppress
from typing import Any, cast

import docker
from docker.errors import DockerException
from testcontainers.community.valkey import ValkeyContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.support.servers.options import ServerOptions
from tests.support.servers.server import Server, ServerError

IMAGE = "valkey/valkey:9"
PORT = 6379
ANSWERS = "JOBSVALKEY_TEST_ENGINE_ANSWERS"


def engine_answers() -> bool:
    """Whether there is a container engine.

    The first process that asks tells those that it starts: on a busy machine the engine may answer one of them too
    late, and then they would not collect the same tests.
    """
    if ANSWERS not in os.environ:
        os.environ[ANSWERS] = "yes" if _asked() else "no"
    return os.environ[ANSWERS] == "yes"


def _asked() -> bool:
    with warnings.catch_warnings():
        # The library leaves its socket open where nobody answers; that is not the tests' fault.
        warnings.simplefilter("ignore", ResourceWarning)
        with suppress(DockerException, OSError):
            client = docker.from_env(timeout=30)
            try:
                return bool(cast(Any, client).ping())
            finally:
                client.close()
        gc.collect()
    return False


class ContainerServer(Server):
    """Runs the image that users run."""

    def __init__(self, kind: str, source: str, options: ServerOptions) -> None:
        if options.tls or options.unix_socket:
            raise ValueError(
                "a server in a container listens on a plain port: use a local one for TLS or a Unix socket"
            )
        super().__init__(kind, source, options)
        self._container: ValkeyContainer | None = None
        self._host = "localhost"

    @property
    def address(self) -> str:
        """The URL without user, password and database."""
        return f"valkey://{self._host}:{self._port}"

    def _launch(self) -> None:
        if self._container is not None:
            self._container.get_wrapped_container().start()
            return
        container = ValkeyContainer(IMAGE)
        # The class waits by valkey-cli, which an image of the server alone lacks.
        container.waiting_for(LogMessageWaitStrategy("Ready to accept connections").with_poll_interval(0.05))
        command = ["valkey-server", *self.options.arguments()]
        if sys.platform == "linux":
            # By the host's own network: where thousands of connections come and go, one to a forwarded port may find
            # its source port still remembered from the last one, and is not answered for seconds.
            command += [*self._listening(), "--bind", "127.0.0.1"]
            container.with_kwargs(network_mode="host")
            container.ports.clear()
        else:
            # An engine gives a restarted container another port, unless it is asked for one.
            container.with_bind_ports(PORT, self._port)
        container.with_command(command)
        self._container = container
        try:
            container.start()
        except RuntimeError as error:
            raise ServerError(f"{self.kind} ended before it answered:\n{self._log()}") from error
        self._host = "127.0.0.1" if sys.platform == "linux" else container.get_host()

    @property
    def _running(self) -> ValkeyContainer:
        assert self._container is not None, f"{self.kind} is not running"
        return self._container

    def _move(self) -> None:
        self.close()
        super()._move()

    def _log(self) -> str:
        output, errors = self._running.get_logs()
        return (output + errors).decode(errors="replace")[-2000:]

    def stop(self) -> None:
        """End it in order, as an operator would. `start` brings it back at the same address."""
        self._running.get_wrapped_container().stop(timeout=5)

    def kill(self) -> None:
        """End it at once (SIGKILL). `start` brings it back at the same address."""
        container = self._running.get_wrapped_container()
        container.kill()
        container.wait(timeout=10)

    def freeze(self) -> None:
        """Stop it from running (SIGSTOP): connections stay, and nothing is answered."""
        self._running.get_wrapped_container().kill("SIGSTOP")

    def thaw(self) -> None:
        """Let it run again after `freeze`."""
        self._running.get_wrapped_container().kill("SIGCONT")

    def close(self) -> None:
        """End it, whatever its state, and remove its data."""
        if self._container is not None:
            self._container.stop()
            self._container = None
