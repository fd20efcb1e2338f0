"""Who may see the dashboard, and who may act: two roles, and forms that only the dashboard's own pages can send."""

import base64
import binascii
import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response

TOKEN_COOKIE: Final = "jobsvalkey_token"  # noqa: S105 - its name
TOKEN_HEADER: Final = "x-jobsvalkey-token"  # noqa: S105 - its name


class Role(StrEnum):
    """Says what a user may do."""

    VIEWER = "viewer"
    """Look at everything."""
    OPERATOR = "operator"
    """Also act on jobs, and pause queues."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who uses the dashboard."""

    name: str
    """The name that is logged with each action."""
    role: Role


Check: TypeAlias = Callable[[HTTPConnection], Awaitable[User | None]]
"""Says who makes a request; `None` for somebody who may not."""
ANYBODY_HERE: Final = User("local", Role.OPERATOR)


class Authentication:
    """Knows who may use the dashboard.

    Names and passwords go by HTTP Basic authentication, so put TLS in front. If your application knows its users
    already, give a `check` instead.

    Args:
        operators: passwords of those who may look and act, by name.
        viewers: passwords of those who may only look, by name.
        check: gets the request, and returns the user, or `None` for somebody who may not see the dashboard.

    Raises:
        ValueError: there are no users, a name is used twice or contains a colon, a password is empty, or there are both
            passwords and a check.
    """

    def __init__(
        self,
        *,
        operators: Mapping[str, str] | None = None,
        viewers: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> None:
        named = {Role.VIEWER: viewers or {}, Role.OPERATOR: operators or {}}
        if (check is None) == (not any(named.values())):
            raise ValueError("give either operators and viewers, by name with a password, or a check")
        self._users = dict[str, tuple[User, bytes]]()
        for role, passwords in named.items():
            for name, password in passwords.items():
                if not name or ":" in name or name in self._users:
                    raise ValueError(f"user {name!r}: a name is there once, is not empty, and holds no colon")
                if not password:
                    raise ValueError(f"user {name!r} has an empty password: anybody could enter")
                self._users[name] = User(name, role), password.encode()
        self._check = check

    def __repr__(self) -> str:
        users = ", ".join(f"{user.name}: {user.role}" for user, _ in self._users.values())
        return f"Authentication({users or 'check'})"

    @property
    def asks_for_passwords(self) -> bool:
        """Whether a browser is to ask for a name and a password."""
        return self._check is None

    async def user(self, connection: HTTPConnection) -> User | None:
        """Return who makes a request, or `None`."""
        if self._check is not None:
            return await self._check(connection)
        kind, _, encoded = connection.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        user, expected = self._users.get(name, (None, secrets.token_bytes(16)))
        # Compared for unknown names, too, so that time tells nothing of who is known.
        is_right = hmac.compare_digest(password.encode(), expected)
        return user if is_right and kind.lower() == "basic" else None


def is_local(connection: HTTPConnection) -> bool:
    """Whether a request comes from this machine, for an address of this machine, with no proxy in between.

    The name in the address is looked at as well: a page of somebody else may have its own name lead here.
    """
    host = host_of(connection) or ""
    here = connection.client is not None and _is_loopback(connection.client.host)
    is_forwarded = any(name in connection.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
    return here and not is_forwarded and (host == "localhost" or _is_loopback(host))


def host_of(connection: HTTPConnection) -> str | None:
    """The name under which a request has come, maybe empty; `None` if it can be no name."""
    try:
        return urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_of(connection: HTTPConnection) -> str:
    """The token that this browser has to send with each form: the one of its cookie, or a new one."""
    return connection.cookies.get(TOKEN_COOKIE) or secrets.token_urlsafe(24)


def may_post(request: Request, token: str) -> bool:
    """Whether a form comes from a page of the dashboard: by the browser's word, and by the token of its cookie."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    is_own = origin is None or origin.partition("://")[2] == request.headers.get("host")
    cookie = request.cookies.get(TOKEN_COOKIE, "")
    return site == "same-origin" and is_own and cookie != "" and hmac.compare_digest(cookie.encode(), token.encode())


def refusal(authentication: Authentication | None) -> Response:
    """The answer to somebody who may not see the dashboard."""
    if authentication is None:
        return PlainTextResponse(
            "This dashboard has no users, so it answers on this machine only, by an address such as localhost. "
            "Give it an Authentication to use it from elsewhere.\n",
            403,
        )
    if authentication.asks_for_passwords:
        challenge = {"www-authenticate": 'Basic realm="jobsvalkey", charset="UTF-8"'}
        return PlainTextResponse("Name and password, please.\n", 401, challenge)
    return PlainTextResponse("You may not see this.\n", 403)
