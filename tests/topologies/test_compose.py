"""The compose files of the documentation keep to the format, and what they describe is what the guide says."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from valkey import Valkey

from jobsvalkey.cli.main import main
from tests.support.ports import HOST
from tests.support.servers import ServerOptions, local_kind
from tests.support.servers.group import wait_for
from tests.topologies.composed import Composed

COMPOSE = Path(__file__).parents[2] / "docs" / "compose"
PATHS = sorted(COMPOSE.glob("*.yaml"))
KNOWN = {"image", "network_mode", "restart", "environment", "command", "entrypoint", "depends_on", "volumes"}


def test_the_compose_files_keep_to_the_format() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    assert [path.stem for path in PATHS] == ["cluster", "sentinel"]
    subprocess.run([sys.executable, "-m", "check_jsonschema", *schema, *map(str, PATHS)], check=True)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_compose_file_is_one(path: Path) -> None:
    composed = yaml.safe_load(path.read_text())
    assert set(composed) - {"services", "volumes"} <= {key for key in composed if key.startswith("x-")}
    services: dict[str, dict[str, Any]] = composed["services"]
    volumes = [volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    assert sorted(volumes) == sorted(composed["volumes"])
    for name, service in services.items():
        assert set(service) <= KNOWN, name
        assert set(service.get("depends_on", ())) <= set(services)


def test_the_settings_of_the_cluster_are_known_to_a_server() -> None:
    services = yaml.safe_load((COMPOSE / "cluster.yaml").read_text())["services"]
    nodes = [service for service in services.values() if "environment" in service]
    flags = re.findall(r"--(\S+) (\S+)", nodes[0]["environment"]["VALKEY_EXTRA_FLAGS"])
    settings = {name: value for name, value in flags if name != "bind"}
    with local_kind().make(ServerOptions(settings=settings)) as server:
        assert server.is_running
    assert len({node["command"][1] for node in nodes}) == len(nodes)


def ask(port: int, *words: object) -> Any:
    """What the server at a port answers."""
    client = cast("Any", Valkey)(host=HOST, port=port, socket_timeout=2.0)
    client.response_callbacks.clear()
    with client:
        return client.execute_command(*words)


@pytest.mark.slow
def test_the_cluster_is_one_that_takes_jobs() -> None:
    with Composed(COMPOSE / "cluster.yaml") as composed:
        make = composed.services["make-cluster"]
        assert make.ended() == 0, make.log
        ports = list(composed.ports.values())

        def is_whole() -> bool:
            view = ask(ports[0], "CLUSTER", "NODES").decode()
            return (view.count("master -"), view.count("slave ")) == (3, 3) and all(
                b"cluster_state:ok" in ask(port, "CLUSTER", "INFO") for port in ports
            )

        wait_for("three primaries and three replicas serve all slots", is_whole)
        make.start()  # as a second `up` does
        assert make.ended() == 0, make.log
        assert is_whole()
        url = f"valkey+cluster://{','.join(f'{HOST}:{port}' for port in ports)}"
        assert main(["info", "--queue", "{mail}", "--url", url]) == 0


@pytest.mark.slow
def test_the_sentinels_promote_a_replica() -> None:
    with Composed(COMPOSE / "sentinel.yaml") as composed:
        first, *_ = servers = [composed.ports[port] for port in ("7001", "7002", "7003")]
        sentinels = [composed.ports[port] for port in ("26379", "26380", "26381")]
        url = f"valkey+sentinel://{','.join(f'{HOST}:{port}' for port in sentinels)}/mymaster"

        def told(sentinel: int) -> dict[bytes, bytes]:
            flat = ask(sentinel, "SENTINEL", "MASTER", "mymaster")
            return dict(zip(flat[::2], flat[1::2], strict=True))

        def know_all() -> bool:
            names = (b"num-slaves", b"num-other-sentinels", b"flags")
            return all([told(sentinel)[name] for name in names] == [b"2", b"2", b"master"] for sentinel in sentinels)

        wait_for("the Sentinels know each other and the servers", know_all, 60)
        assert main(["info", "--queue", "mail", "--url", url]) == 0
        composed.services["server-1"].kill()
        wait_for("another one is promoted", lambda: int(told(sentinels[0])[b"port"]) != first, 60)
        promoted = int(told(sentinels[0])[b"port"])
        service = composed.services[f"server-{servers.index(promoted) + 1}"]
        wait_for("it is a primary", lambda: ask(promoted, "ROLE")[0] == b"master")
        assert main(["info", "--queue", "mail", "--url", url]) == 0
        wait_for("its file says so", lambda: "\nreplicaof" not in (service.directory / "server.conf").read_text())
        composed.services["server-1"].start()
        wait_for("the first one comes back as its replica", lambda: ask(first, "ROLE")[0] == b"slave", 60)
        assert b"\r\nmaster_port:%d\r\n" % promoted in ask(first, "INFO", "replication")
