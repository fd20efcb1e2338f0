"""Servers to try things with: `python -m tests.support.servers cluster|sentinel` runs them until Ctrl-C."""

import signal
import sys
from collections.abc import Sequence

from tests.support.ports import HOST
from tests.support.servers.cluster import Cluster
from tests.support.servers.group import port_of
from tests.support.servers.sentinel import SERVICE, SentinelGroup
from tests.support.servers.server import Server


def _urls(servers: Sequence[Server]) -> str:
    return " ".join(server.url for server in servers)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["cluster"]:
            group: Cluster | SentinelGroup = Cluster()
        case ["sentinel"]:
            group = SentinelGroup()
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    with group:
        group.wait_until_whole()
        if isinstance(group, Cluster):
            told = [f"primaries: {_urls(group.primaries)}", f"replicas: {_urls(group.replicas)}"]
            url = f"valkey+cluster://{HOST}:{port_of(group.nodes[0])}"
        else:
            told = [f"primary and replica: {_urls(group.servers)}"]
            url = f"valkey+sentinel://{','.join(f'{host}:{port}' for host, port in group.places)}/{SERVICE}"
        sys.stdout.write("\n".join([*told, f"try: jobsvalkey info --queue '{{mail}}' --url {url}", ""]))
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    sys.exit(main(sys.argv[1:]))
