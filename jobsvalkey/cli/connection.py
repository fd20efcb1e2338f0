"""The queue on the server that a command is about."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

from valkey.asyncio import Valkey, ValkeyCluster

from jobsvalkey.cli.errors import WrongUsage
from jobsvalkey.cli.server_url import check_url, refused
from jobsvalkey.contract import RETAIN, RetentionPolicy
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.valkey.clients import client_from_url

ONCE = timedelta(0)
# A command does not know what its queue's services retain. It sees all that is there, and trims nothing of it.
EVERYTHING = RetentionPolicy(completed_jobs=RETAIN, failed_jobs=RETAIN, cancelled_jobs=RETAIN)


def make_client(url: str) -> Valkey:
    """Return a client of one server, or of the primary that Sentinels name; it connects when it is first used.

    Raises:
        WrongUsage: the URL is none of such a server.
    """
    client = make_any_client(url)
    if not isinstance(client, Valkey):
        raise WrongUsage("this command needs a server of its own, not a cluster: name one with valkey://HOST:PORT")
    return client


def make_any_client(url: str) -> Valkey | ValkeyCluster:
    """Return a client of what is at `url`, a cluster maybe; it connects when it is first used.

    Raises:
        WrongUsage: the URL is not one of a server.
    """
    check_url(url)
    try:
        return client_from_url(url)
    except (AttributeError, TypeError, ValueError) as error:
        # Not from it: its message may hold a piece of a password.
        raise refused(url, error) from None


def make_configuration(queue_key: str) -> ValkeyConfiguration:
    """Settings for a command, which asks the server once and sees all jobs.

    Raises:
        WrongUsage: the key names no queue.
    """
    try:
        return ValkeyConfiguration(queue_key=queue_key, retention_policy=EVERYTHING, operation_timeout=ONCE)
    except ValueError as error:
        raise WrongUsage(f"--queue: {error}") from error


@asynccontextmanager
async def open_queue(url: str, queue_key: str) -> AsyncGenerator[JobQueue[ValkeyJobQueue]]:
    """The queue, for as long as the command takes."""
    # Not entered: the driver has connections of its own.
    async with ValkeyJobQueue(make_any_client(url), make_configuration(queue_key)) as driver:
        yield JobQueue(driver)


async def check_server(url: str, queue_key: str) -> None:
    """Ask the server once, before work begins that would wait for it. Leaves keys of the queue behind.

    Raises:
        StoreUnavailable, ConfigurationError: it does not answer, or refuses.
    """
    async with open_queue(url, queue_key) as queue:
        await queue.counts()


async def remove_keys(client: Valkey, prefix: str) -> None:
    """Remove all keys that begin with `prefix`, which is not a pattern."""
    anything, cursor = cast(Any, client), 0
    while True:
        cursor, keys = await anything.scan(cursor, match=f"{prefix}*", count=1000)
        if keys:
            await anything.unlink(*keys)
        if not cursor:
            return
