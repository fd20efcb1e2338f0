"""A disk that can be full."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

SIZE = "32m"
CAN_MOUNT = os.getuid() == 0 and os.path.exists("/proc/filesystems")


class SmallDisk:
    """A file system in memory. It is there within the block."""

    def __init__(self) -> None:
        self._directory = TemporaryDirectory(prefix="jobsvalkey-")
        self.path = Path(self._directory.name)

    def __enter__(self) -> Self:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", self.path], check=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=True)
        self._directory.cleanup()

    @contextmanager
    def filled(self) -> Generator[None]:
        """Leave no room."""
        filler = self.path / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        try:
            yield
        finally:
            filler.unlink()
