"""All that a database holds, to be compared before and after."""

from typing import Any, cast

from valkey.asyncio import Valkey


async def contents(client: Valkey) -> dict[bytes, bytes]:
    """Every key of the database with its value, as the server writes it down."""
    anything = cast(Any, client)
    return {key: await anything.dump(key) async for key in anything.scan_iter(count=1000)}
