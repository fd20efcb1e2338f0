"""A server that runs already and is given by its URL."""

from typing import ClassVar

from tests.support.servers.options import ServerOptions
from tests.support.servers.server import Server


class RemoteServer(Server):
    """Somebody's server: it is used as it is, and never stopped."""

    controllable: ClassVar[bool] = False

    def __init__(self, kind: str, source: str, url: str, options: ServerOptions) -> None:
        if options != ServerOptions():
            raise ValueError("a server given by its URL is used as it is: use a local one for options")
        super().__init__(kind, source, options)
        self._url = url

    @property
    def address(self) -> str:
        """The URL as it was given."""
        return self._url

    def _launch(self) -> None:
        return

    def _refuse(self) -> None:
        raise NotImplementedError("a server given by its URL is never stopped: see Server.controllable")

    def stop(self) -> None:
        """Never."""
        self._refuse()

    def kill(self) -> None:
        """Never."""
        self._refuse()

    def freeze(self) -> None:
        """Never."""
        self._refuse()

    def thaw(self) -> None:
        """Never."""
        self._refuse()

    def close(self) -> None:
        """Leave it as it is."""
