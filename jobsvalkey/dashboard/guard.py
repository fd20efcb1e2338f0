"""The door of the dashboard: who comes in, what a browser may load, and what it says while the store is away."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobsvalkey.dashboard.access import (
    ANYBODY_HERE,
    TOKEN_COOKIE,
    Authentication,
    host_of,
    is_local,
    refusal,
    token_of,
)

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets in whom it knows, gives each browser a token for its forms, and adds the headers to each answer."""

    def __init__(self, app: ASGIApp, authentication: Authentication | None) -> None:
        self._app = app
        self._authentication = authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if host_of(connection) is None:
            await PlainTextResponse("There is no such host.\n", 400)(scope, receive, send)
            return
        token = token_of(connection)
        path = scope.get("root_path", "") or "/"
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        cookie = f"{TOKEN_COOKIE}={token}; Path={path}; HttpOnly; SameSite=Strict{secure}"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if TOKEN_COOKIE not in connection.cookies:
                    headers.append("set-cookie", cookie)
            await send(message)

        user = ANYBODY_HERE if self._authentication is None and is_local(connection) else None
        if self._authentication is not None:
            user = await self._authentication.user(connection)
        if user is None:
            await refusal(self._authentication)(scope, receive, send_with_headers)
            return
        scope.setdefault("state", {}).update(jobsvalkey_user=user, jobsvalkey_token=token)
        await self._app(scope, receive, send_with_headers)
