"""Ports that a test may listen on, whatever else runs on the machine.

They lie below those that the system gives to connections, any of which may be some connection's own at any time. Each
process has a share of them to itself: those of a spread run, and those of other runs beside it.
"""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

HOST = "127.0.0.1"
FIRST, END = 10_000, 32_000
SHARE = 200
"""So many ports one process has: the first shows the others that the share is taken, for as long as it lives."""


class _Share:
    """The share of this process. Its ports come in turn, so that one that is away for a while is left alone."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        shares = range(FIRST, END, SHARE)
        start = random.SystemRandom().randrange(len(shares))
        first = next(filter(self._take, chain(shares[start:], shares[:start])), None)
        if first is None:
            raise OSError(f"other processes have taken all ports from {FIRST} to {END}")
        self._ports = range(first + 1, first + SHARE)
        self._next = self._round()

    @staticmethod
    def _take(port: int) -> bool:
        mark = socket.socket()
        try:
            mark.bind((HOST, port))
        except OSError:
            mark.close()
            return False
        mark.detach()  # the process's end closes it
        return True

    def _round(self) -> Iterator[int]:
        while True:
            yield from self._ports

    def port(self) -> int:
        for port in self._next:
            with suppress(OSError), socket.create_server((HOST, port)):
                return port
        raise AssertionError("the round has no end")


_share: _Share | None = None


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on, and no other process of tests will."""
    global _share
    if _share is None or _share.owner != os.getpid():
        _share = _Share()
    return _share.port()
