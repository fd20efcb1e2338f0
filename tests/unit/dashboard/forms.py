"""Forms, as a browser sends them."""

from typing import Any

import httpx

from jobsvalkey.dashboard.access import TOKEN_COOKIE


async def post(http: httpx.AsyncClient, path: str, fields: Any = (), **headers: str) -> httpx.Response:
    """Send a form with the token that the browser was given."""
    if TOKEN_COOKIE not in http.cookies:
        await http.get("/")
    pairs: list[tuple[str, str]] = list(fields.items() if hasattr(fields, "items") else fields)
    body = httpx.QueryParams([*pairs, ("token", http.cookies[TOKEN_COOKIE])])
    sent = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await http.post(path, content=str(body), headers=sent)
