"""The queues that are compared, ours first."""

from importlib.metadata import PackageNotFoundError, version

from tests.benchmarks.peers.arq import Arq
from tests.benchmarks.peers.celery import Celery
from tests.benchmarks.peers.docket import Docket
from tests.benchmarks.peers.dramatiq import Dramatiq
from tests.benchmarks.peers.huey import Huey
from tests.benchmarks.peers.own import Own
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.rq import Rq
from tests.benchmarks.peers.saq import Saq
from tests.benchmarks.peers.streaq import Streaq
from tests.benchmarks.peers.taskiq import Taskiq

PEERS: tuple[type[Peer], ...] = (Own, Arq, Saq, Taskiq, Streaq, Docket, Rq, Dramatiq, Huey, Celery)


class PeersMissing(Exception):
    """Not all peers are installed."""


def versions() -> dict[str, str]:
    """What is compared, for each peer.

    Raises:
        PeersMissing: what is not installed, and how to install it.
    """
    found: dict[str, list[str]] = {}
    missing: list[str] = []
    for peer in PEERS:
        for name in peer.distributions:
            try:
                found.setdefault(peer.name, []).append(f"{name} {version(name)}")
            except PackageNotFoundError:
                missing.append(name)
    if missing:
        raise PeersMissing(f"not installed: {', '.join(missing)}; pip install -r tests/benchmarks/peers.txt")
    return {name: ", ".join(parts) for name, parts in found.items()}
