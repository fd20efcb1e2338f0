"""The Valkey driver in another process, which imports nothing else for it."""

import dataclasses
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from valkey.asyncio import Valkey, ValkeyCluster

from jobsvalkey.contract import DriverConfiguration
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue


@asynccontextmanager
async def driver_elsewhere(
    client_type: type[Valkey] | type[ValkeyCluster], url: str, configuration: DriverConfiguration
) -> AsyncGenerator[ValkeyJobQueue]:
    """Make a driver for the server, or the cluster, at `url`."""
    settings = {field.name: getattr(configuration, field.name) for field in dataclasses.fields(DriverConfiguration)}
    async with (
        cast(Any, client_type).from_url(url) as client,
        ValkeyJobQueue(client, ValkeyConfiguration(**settings)) as driver,
    ):
        yield driver
