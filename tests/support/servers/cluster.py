"""A cluster on the loopback interface: three primaries, each with a replica."""

from collections.abc import Mapping, Sequence

from valkey.crc import key_slot

from tests.support.ports import HOST
from tests.support.servers.group import Group, ask, port_of, wait_for
from tests.support.servers.kinds import ServerKind, local_kind
from tests.support.servers.options import ServerOptions
from tests.support.servers.server import Server

SLOTS = 16384
PRIMARIES = 3
NODE_TIMEOUT = 1000
"""Milliseconds without an answer after which a node counts as failed; a failover takes 1.4 s then."""


class Cluster(Group):
    """Primaries that share the slots evenly, and replicas of theirs.

    Args:
        replicas: how many each primary has.
        announced: the ports that clients are told to use, primaries first: those of proxies, say.
        settings: further settings of each node.
    """

    def __init__(
        self,
        kind: ServerKind | None = None,
        *,
        replicas: int = 1,
        announced: Sequence[int] = (),
        appendonly: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        made = kind or local_kind()
        self.kind: str = made.id
        self.announced: tuple[int, ...] = tuple(announced)
        self.nodes: list[Server] = []
        """The primaries as they are at the start, then the replicas, in the order of their primaries."""
        for number in range(PRIMARIES * (1 + replicas)):
            told = {"cluster-announce-port": str(announced[number])} if number < len(announced) else {}
            self.nodes.append(
                made.make(
                    ServerOptions(
                        appendonly=appendonly,
                        settings={
                            "cluster-enabled": "yes",
                            "cluster-node-timeout": str(NODE_TIMEOUT),
                            # Else one that is away stops the queues of all the others.
                            "cluster-require-full-coverage": "no",
                            "repl-diskless-sync-delay": "0",
                            **told,
                            **(settings or {}),
                        },
                    )
                )
            )
        self.primaries: list[Server] = self.nodes[:PRIMARIES]
        self.replicas: list[Server] = self.nodes[PRIMARIES:]

    @property
    def url(self) -> str:
        """The URL of a node, for a client of clusters."""
        return self.nodes[0].url

    def start(self) -> None:
        """Start all nodes and make a cluster of them, by the commands that a user would give."""
        for node in self.nodes:
            self._stack.enter_context(node)
        step = SLOTS // PRIMARIES + 1
        for number, node in enumerate(self.primaries):
            ask(node, "CLUSTER", "ADDSLOTSRANGE", number * step, min((number + 1) * step, SLOTS) - 1)
            ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            ask(self.nodes[0], "CLUSTER", "MEET", HOST, port_of(node), node.bus_port)
        wait_for(
            "the nodes know each other", lambda: all(len(self.view(node)) == len(self.nodes) for node in self.nodes)
        )
        for number, node in enumerate(self.replicas):
            ask(node, "CLUSTER", "REPLICATE", self.name(self.primaries[number % PRIMARIES]))
        self.wait_until_whole()

    def wait_until_whole(self, within: float = 20.0) -> None:
        """Wait until all slots are served, and each replica has what its primary has."""
        wait_for("the cluster is whole", self._is_whole, within)

    def heal(self) -> None:
        """Start what was killed, thaw what was frozen, end what was begun, and wait until all is whole again."""
        for node in self.nodes:
            node.thaw() if node.is_running else node.start()
            ask(node, "CONFIG", "SET", "cluster-require-full-coverage", "no")
        for node in self.nodes:
            for slot in (told.strip("[]").partition("-")[0] for told in self._ranges(node) if told.startswith("[")):
                ask(node, "CLUSTER", "SETSLOT", slot, "STABLE")
        self.wait_until_whole()

    def name(self, node: Server) -> str:
        """The name by which the others know a node."""
        return ask(node, "CLUSTER", "MYID").decode()

    def view(self, node: Server) -> list[list[str]]:
        """The lines of `CLUSTER NODES` as a node tells it, in words."""
        return [line.split() for line in ask(node, "CLUSTER", "NODES").decode().splitlines()]

    def primary_of(self, queue_key: str) -> Server:
        """The node that has a queue now, as those tell that are up."""
        slot = key_slot(queue_key.encode())
        for node in self.nodes:
            if is_up(node) and _is_primary(node) and any(_holds(each, slot) for each in self._ranges(node)):
                return node
        raise LookupError(f"nobody has the slot of {queue_key}")

    def replicas_of(self, primary: Server) -> list[Server]:
        """The nodes that replicate a primary now."""
        name = self.name(primary)
        replicas = {line[0] for line in self.view(primary) if line[3] == name}
        return [node for node in self.nodes if node is not primary and self.name(node) in replicas]

    def begin_move(self, queue_key: str) -> tuple[Server, Server]:
        """Begin to move a queue's slot, as an operator would; from where it comes and where it goes."""
        source = self.primary_of(queue_key)
        target = next(node for node in self.nodes if node is not source and _is_primary(node))
        slot = key_slot(queue_key.encode())
        ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.name(source))
        ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.name(target))
        return source, target

    def move_keys(self, queue_key: str, at_most: int | None = None) -> int:
        """Move keys of a queue whose slot is on its way; how many."""
        slot, moved = key_slot(queue_key.encode()), 0
        source = self.primary_of(queue_key)
        (told,) = (told for told in self._ranges(source) if told.startswith(f"[{slot}->-"))
        target = next(node for node in self.nodes if self.name(node) == told.strip("[]").rpartition("->-")[2])
        while at_most is None or moved < at_most:
            count = 100 if at_most is None else min(100, at_most - moved)
            keys = ask(source, "CLUSTER", "GETKEYSINSLOT", slot, count)
            if not keys:
                break
            answer = ask(source, "MIGRATE", HOST, port_of(target), "", 0, 5000, "KEYS", *keys)
            assert answer == b"OK", answer
            moved += len(keys)
        return moved

    def end_move(self, queue_key: str, target: Server) -> None:
        """Give the slot to its new node, which tells the old one first."""
        slot = key_slot(queue_key.encode())
        source = self.primary_of(queue_key)
        for node in (target, source):
            ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self.name(target))

    def _ranges(self, node: Server) -> list[str]:
        return next(line for line in self.view(node) if "myself" in line[2])[8:]

    def _is_whole(self) -> bool:
        for node in self.nodes:
            if b"cluster_state:ok" not in ask(node, "CLUSTER", "INFO"):
                return False
            role = ask(node, "ROLE")
            if role[0] == b"slave" and role[3] != b"connected":
                return False
        names = [self.name(node) for node in self.nodes]
        replicas = len(self.replicas)
        for node in self.nodes:
            view = self.view(node)
            if sorted(line[0] for line in view) != sorted(names) or any("fail" in line[2] for line in view):
                return False
            if sum("slave" in line[2] for line in view) != replicas:
                return False
        return True


def is_up(node: Server) -> bool:
    """Whether a node answers."""
    try:
        return bool(ask(node, "PING") == b"PONG")
    except Exception:
        return False


def _is_primary(node: Server) -> bool:
    return bool(ask(node, "ROLE")[0] == b"master")


def _holds(told: str, slot: int) -> bool:
    if told.startswith("["):
        return False  # on its way
    first, _, last = told.partition("-")
    return int(first) <= slot <= int(last or first)
