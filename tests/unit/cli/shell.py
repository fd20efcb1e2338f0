"""The command line as a test uses it."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey

from jobsvalkey.cli.main import main


@dataclass(frozen=True, slots=True)
class Result:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document that was printed."""
        assert self.out, self
        return json.loads(self.out)

    def assert_refused(self, code: int, *words: str) -> None:
        """It ended with `code` and printed one line that has all of the words, and no traceback."""
        assert self.code == code, self
        assert self.err.startswith("jobsvalkey: "), self
        assert self.err.count("\n") == 1, self
        for word in words:
            assert word in self.err, self


class Shell:
    """Runs commands on one queue."""

    def __init__(self, capsys: pytest.CaptureFixture[str], queue_key: str) -> None:
        self._capsys = capsys
        self.queue_key = queue_key

    async def __call__(self, *arguments: str, queue: bool = True) -> Result:
        """Run one command, with `--queue` where it takes one."""
        self._capsys.readouterr()
        words = [*arguments, *(("--queue", self.queue_key) if queue else ())]
        code = await asyncio.to_thread(main, words)
        printed = self._capsys.readouterr()
        return Result(code, printed.out, printed.err)


async def keys_of(client: Valkey, prefix: str) -> list[bytes]:
    """The keys that begin with `prefix`."""
    return await cast(Any, client).keys(f"{prefix}*")
