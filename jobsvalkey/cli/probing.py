"""`--http HOST:PORT`: where a worker answers probes."""

from typing import Final, Literal, TypeAlias

import typer

from jobsvalkey.service import HttpOptions

Probing: TypeAlias = HttpOptions | Literal["own"] | None
"""The address for probes: this one, that of the services, or none."""
NOWHERE: Final = "none"
"""The option's value for that."""


def read_probes(text: str | None) -> Probing:
    """Read the option; without it, the services say.

    Raises:
        BadParameter: it is no address.
    """
    if text is None:
        return "own"
    if text == NOWHERE:
        return None
    host, _, port = text.rpartition(":")
    try:
        if not host or not port.isdecimal():
            raise ValueError("it is no address")
        return HttpOptions(host=host.removeprefix("[").removesuffix("]"), port=int(port))
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r}: {error}; write HOST:PORT, such as 127.0.0.1:8080, or none", param_hint="--http"
        ) from error
