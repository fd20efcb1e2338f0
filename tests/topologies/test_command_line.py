"""The command line takes the URL of a cluster, and of Sentinels."""

import asyncio
import json

import pytest

from jobsvalkey import JobQueue
from jobsvalkey.cli.main import main
from tests.support.servers import Cluster, SentinelGroup
from tests.support.servers.sentinel import SERVICE
from tests.support.work import Work
from tests.topologies.drivers import Servers, driver_of


async def _pushed(servers: Servers, queue_key: str) -> None:
    async with driver_of(servers, queue_key) as driver:
        await JobQueue(driver).push(Work(1))


def test_a_cluster(cluster: Cluster, queue_key: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(_pushed(cluster, queue_key))
    url = ",".join(node.url.removeprefix("valkey://") for node in cluster.nodes)
    assert main(["info", "--json", "--queue", queue_key, "--url", f"valkey+cluster://{url}"]) == 0
    assert json.loads(capsys.readouterr().out)["jobs"]["pending"] == 1
    assert main(["info", "--queue", "mail", "--url", f"valkey+cluster://{url}"]) == 1
    assert "queue_key='{mail}' instead of 'mail'" in capsys.readouterr().err
    assert main(["bench", "--url", f"valkey+cluster://{url}"]) == 2
    assert "this command needs a server of its own" in capsys.readouterr().err


def test_sentinels(sentinels: SentinelGroup, queue_key: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(_pushed(sentinels, queue_key))
    url = ",".join(f"{host}:{port}" for host, port in sentinels.places)
    assert main(["info", "--json", "--queue", queue_key, "--url", f"valkey+sentinel://{url}/{SERVICE}"]) == 0
    assert json.loads(capsys.readouterr().out)["jobs"]["pending"] == 1
