"""Serves the dashboard by itself."""

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

_STOP_WITHIN = 1
"""Seconds that browsers get that listen to live numbers; they would never end by themselves."""


async def serve(app: ASGIApp, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve until a signal stops it.

    Args:
        app: the dashboard.
        host: the address to listen at.
        port: the port; 0 means any free port.
        started: is told the URL.

    Raises:
        OSError: nothing can listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=128) as listener:
        # An answer is several writes. asyncio itself sees to this only for sockets that it has made.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound = listener.getsockname()[1]
        started(f"http://{f'[{host}]' if ':' in host else host}:{bound}/")
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_STOP_WITHIN, proxy_headers=False)
        await uvicorn.Server(config).serve(sockets=[listener])
