"""The guide's blocks for Sentinel and for clusters run, and its compose file says what it should."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobsvalkey import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.pages import blocks
from tests.support.servers import Cluster, SentinelGroup, ServerOptions, local_kind
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


def test_the_compose_files_keep_to_the_format() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    paths = sorted((DOCS / "compose").glob("*.yaml"))
    assert paths
    subprocess.run([sys.executable, "-m", "check_jsonschema", *schema, *map(str, paths)], check=True)


@pytest.mark.parametrize("path", sorted((DOCS / "compose").glob("*.yaml")), ids=lambda path: path.name)
def test_a_compose_file_is_one_and_its_settings_are_known_to_a_server(path: Path) -> None:
    composed = yaml.safe_load(path.read_text())
    assert set(composed) - {"services", "volumes"} <= {key for key in composed if key.startswith("x-")}
    known = {"image", "network_mode", "restart", "environment", "command", "entrypoint", "depends_on", "volumes"}
    services: dict[str, dict[str, Any]] = composed["services"]
    for name, service in services.items():
        assert set(service) <= known, name
        assert set(service.get("depends_on", ())) <= set(services)
        assert {volume.partition(":")[0] for volume in service.get("volumes", ())} <= set(composed["volumes"])
    nodes = [service for service in services.values() if "environment" in service]
    flags = re.findall(r"--(\S+) (\S+)", nodes[0]["environment"]["VALKEY_EXTRA_FLAGS"])
    settings = {name: value for name, value in flags if name != "bind"}
    with local_kind().make(ServerOptions(settings=settings)) as server:
        assert server.is_running
    assert len({node["command"][1] for node in nodes}) == len(nodes)
