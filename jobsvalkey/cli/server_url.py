"""The URL of a server: checked without its user and password, and never shown with them."""

import re
from urllib.parse import urlsplit

from jobsvalkey.cli.errors import WrongUsage
from jobsvalkey.valkey.clients import CLUSTER, SENTINEL

HIDDEN = "***"
_SCHEMES = (
    *("valkey", "valkeys", "redis", "rediss", "unix"),
    *(f"{plain}{kind}" for plain in ("valkey", "valkeys", "redis", "rediss") for kind in (CLUSTER, SENTINEL)),
)
ENCODE = (
    "percent-encode user and password: "
    "%40 for an at sign, %23 for #, %2F for /, %3F for ?, %3A for :, %5B for [, %25 for %"
)
# A password that is not encoded may hold anything, so what comes after this is part of it, up to the end.
_PASSWORD_OPTION = re.compile(r"([?&;][\w%]*pass[\w%]*=).*", re.IGNORECASE | re.DOTALL)  # ssl_password, too
_OTHER_OPTION = re.compile(r"([?&;](?!db=\d+(?:&|\Z))[^=&;]*=).*", re.DOTALL)


def redacted(url: str) -> str:
    """Return the URL without user, password and the values of options.

    Nothing before the last `@` is shown, but for a known scheme, and of the options the number of the database.
    """
    url = _PASSWORD_OPTION.sub(rf"\1{HIDDEN}", url)
    before, at, rest = url.rpartition("@")
    rest = _OTHER_OPTION.sub(rf"\1{HIDDEN}", rest)
    if not at:
        return rest
    scheme, separator, _ = before.partition("://")
    return f"{scheme}://{HIDDEN}@{rest}" if separator and scheme in _SCHEMES else f"{HIDDEN}@{rest}"


def redacted_text(text: str) -> str:
    """Return a message without the users and passwords of the URLs that it quotes."""
    # All up to the last `@`, or to the end: where a password that is not encoded ends, nobody knows.
    text = re.sub(r"([?&;][\w%]*pass[\w%]*=)(?!\*\*\*).*", rf"\1{HIDDEN}", text, flags=re.IGNORECASE | re.DOTALL)
    return re.sub(r"://(?!\*\*\*@).*@", f"://{HIDDEN}@", text, flags=re.DOTALL)


def check_url(url: str) -> None:
    """Refuse a URL that would not be read as it is meant.

    Raises:
        WrongUsage: a user or a password is not percent-encoded, or the database is not a number.
    """
    try:
        url.encode()
        parts = urlsplit(url)
        database = parts.path.strip("/")
        if parts.scheme.endswith(SENTINEL):
            database = database.partition("/")[2]  # the service is before it
        login, at, hosts = parts.netloc.rpartition("@")
        for host in hosts.split(",") if parts.scheme.endswith((CLUSTER, SENTINEL)) else (hosts,):
            _ = parts._replace(netloc=f"{login}{at}{host}").port
    except ValueError as error:
        raise refused(url, error) from None
    if parts.scheme != "unix" and ("@" in url.removeprefix(f"{parts.scheme}://{parts.netloc}") or parts.fragment):
        raise refused(url, ValueError(ENCODE))
    if parts.scheme != "unix" and database and not database.isdecimal():
        raise refused(url, ValueError(f"{database!r} is not the number of a database"))


def refused(url: str, error: Exception) -> WrongUsage:
    """Return the error that says what is wrong with a URL. It has nothing of a user or a password."""
    # The reason may quote any part of a URL that was taken apart in the wrong place.
    has_secret = "@" in url or _PASSWORD_OPTION.search(url)
    if not isinstance(error, TypeError):  # which quotes the name of an option, and no value
        has_secret = has_secret or _OTHER_OPTION.search(url)
    reason = f"scheme, host, port, database or an option is wrong, or else {ENCODE}" if has_secret else str(error)
    return WrongUsage(
        f"{redacted(url)!r} is not the URL of a server ({reason}): write valkey://HOST:PORT, "
        "valkeys://HOST:PORT for TLS, unix:///PATH, valkey+cluster://HOST:PORT, "
        "or valkey+sentinel://HOST:PORT,HOST:PORT/SERVICE"
    )
