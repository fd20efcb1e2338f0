"""The demo's job: the SHA-256, the size and the lines of a file."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, cast

import msgspec
from valkey.asyncio import Valkey

from jobsvalkey.cli.connection import EVERYTHING
from jobsvalkey.contract import SystemClock
from jobsvalkey.runtime import JobContext, JobFail, JobQueue
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue

CHUNK = 1024 * 1024
PAGE = 10_000


@dataclass(frozen=True, slots=True)
class DescribeFile:
    """Parameters of the job."""

    job_name: ClassVar[str] = "DescribeFile"
    path: bytes


class Description(msgspec.Struct, frozen=True):
    """The result of one run of the job."""

    job_id: str
    path: str
    sha256: str
    size: int
    """In bytes."""
    lines: int
    worker: int
    """The number of the worker that ran it."""
    waited: float
    """Seconds from the push to the start of this run."""


def make_queue(client: Valkey, queue_key: str) -> JobQueue[ValkeyJobQueue]:
    """The demo's queue; it keeps all jobs, so that they can be counted."""
    configuration = ValkeyConfiguration(
        queue_key=queue_key, retention_policy=EVERYTHING, operation_timeout=timedelta(seconds=5)
    )
    return JobQueue(ValkeyJobQueue(client, configuration))


class Results:
    """A list in the store, with an entry for each run of a job that came to its end."""

    def __init__(self, client: Valkey, queue_key: str) -> None:
        self._client = cast(Any, client)
        self._key = f"{queue_key}:results"

    async def add(self, description: Description) -> None:
        """Store one result."""
        await self._client.rpush(self._key, msgspec.json.encode(description))

    async def read(self) -> list[Description]:
        """All of them."""
        found: list[Description] = []
        while page := await self._client.lrange(self._key, len(found), len(found) + PAGE - 1):
            found += [msgspec.json.decode(entry, type=Description) for entry in page]
        return found


def make_handler(results: Results, worker: int, pause: float) -> Callable[[DescribeFile, JobContext], Any]:
    """Return the handler. It rests for `pause` seconds if there are so few jobs that nothing could be seen."""
    clock = SystemClock()

    async def describe_file(parameters: DescribeFile, context: JobContext) -> None:
        waited = (clock.now() - context.queued_at).total_seconds()
        path = parameters.path.decode(errors="backslashreplace")
        try:
            sha256, size, lines = await asyncio.to_thread(describe, parameters.path)
        except OSError as error:
            raise JobFail(f"{path} cannot be read: {error.strerror}") from error
        if pause:
            await asyncio.sleep(pause)
        await results.add(Description(str(context.job_id), path, sha256, size, lines, worker, waited))

    return describe_file


def describe(path: bytes) -> tuple[str, int, int]:
    """SHA-256, size in bytes and number of lines of a file of any size.

    Raises:
        OSError: it cannot be read.
    """
    digest, size, lines = hashlib.sha256(), 0, 0
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            lines += chunk.count(b"\n")
    return digest.hexdigest(), size, lines


def runs_of_each(results: list[Description]) -> Counter[str]:
    """How often each job came to its end."""
    return Counter(each.job_id for each in results)
