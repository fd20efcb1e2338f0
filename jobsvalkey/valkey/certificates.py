"""The certificates of TLS connections, read once for many of them.

To read those of the system takes some 20 ms, in which the event loop stands still. After a failover a worker opens a
dozen connections at once.
"""

import time
from ssl import SSLContext
from typing import Any, Final

READ_ANEW: Final = 10.0
"""Seconds after which they are read again: files may have been replaced by newer ones."""


class Certificates:
    """Contexts of TLS by what they are made of."""

    def __init__(self) -> None:
        self._read: dict[tuple[object, ...], tuple[float, SSLContext]] = {}

    def share(self, connection: Any) -> None:
        """Give a connection that is not open yet what another one of the same settings has read."""
        own = getattr(connection, "ssl_context", None)
        if own is None:
            return  # no TLS
        settings = tuple(getattr(own, name) for name in own.__slots__ if name != "context")
        now = time.monotonic()
        read_at, context = self._read.get(settings, (-READ_ANEW, None))
        if context is None or now - read_at >= READ_ANEW:
            context = own.get()
            self._read[settings] = now, context
        own.context = context
