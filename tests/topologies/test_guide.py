"""The guide's blocks for Sentinel and for clusters run."""

import re
from pathlib import Path
from typing import Any

from jobsvalkey import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.pages import blocks
from tests.support.servers import Cluster, SentinelGroup
from tests.support.servers.group import port_of
from tests.support.work import Work

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = DOCS / "guide" / "more-than-one-server.md"
PLACE = re.compile(r'"10\.0\.0\.(\d)", \d+')


def block(word: str, places: list[tuple[str, int]]) -> dict[str, Any]:
    """What the block that uses `word` defines, with these servers in place of the reader's."""
    (text,) = (each.text for each in blocks(GUIDE.read_text()) if each.excluded and f"{word}(" in each.text)
    module: dict[str, Any] = {}
    exec(PLACE.sub(lambda found: '"{}", {}'.format(*places[int(found[1]) - 1]), text), module)  # noqa: S102
    return module


async def push_and_run(queue: JobQueue[ValkeyJobQueue]) -> None:
    async with queue.driver:
        await queue.push(Work(1))
        assert sum((await queue.counts()).values()) >= 1


async def test_the_block_for_sentinels(sentinels: SentinelGroup) -> None:
    await push_and_run(block("Sentinel", sentinels.places)["queue"])


async def test_the_block_for_clusters(cluster: Cluster) -> None:
    places = [("127.0.0.1", port_of(node)) for node in cluster.nodes]
    await push_and_run(block("ValkeyCluster", places)["queue"])
