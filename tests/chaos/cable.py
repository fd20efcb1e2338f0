"""A network between this process and another one, which can be cut as a cable is: nobody is told."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from shutil import which

NOWHERE = "02:00:00:00:00:01"
"""An address that no card has: what is sent there arrives nowhere."""


def _can_cut() -> bool:
    tools = all(map(which, ("ip", "unshare", "nsenter")))
    return tools and subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0


CAN_CUT = _can_cut()


class Network:
    """A cable between this process's network and that of another one."""

    def __init__(self, number: int, port: int) -> None:
        self._inside = ["nsenter", "--net", "--target", str(number)]
        self._cards = f"jvk{port}a", f"jvk{port}b"
        self.address, self._other = (f"10.{port // 250}.{port % 250}.{last}" for last in (1, 2))
        outer, inner = self._cards
        self._run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", str(number))
        for within, card, address in ((list[str](), outer, self.address), (self._inside, inner, self._other)):
            self._run(*within, "ip", "address", "add", f"{address}/30", "dev", card)
            self._run(*within, "ip", "link", "set", card, "up")

    @contextmanager
    def cut(self) -> Generator[None]:
        """Let nothing pass, either way."""
        outer, inner = self._cards
        ends = (list[str](), outer, self._other), (self._inside, inner, self.address)
        for within, card, address in ends:
            self._run(
                *within, "ip", "neighbour", "replace", address, "lladdr", NOWHERE, "dev", card, "nud", "permanent"
            )
        try:
            yield
        finally:
            for within, card, address in ends:
                self._run(*within, "ip", "neighbour", "delete", address, "dev", card)

    @staticmethod
    def _run(*words: str) -> None:
        subprocess.run(words, check=True, capture_output=True)
