"""How a server of a test is set up."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """The settings of one server; by default it asks for no password and keeps nothing on disk."""

    password: str | None = None
    """Asked of the default user."""
    users: Mapping[str, str] = field(default_factory=dict[str, str])
    """ACL users: name → rules, such as `on >secret ~* &* +@all`."""
    tls: bool = False
    """Whether the server is reached by TLS only, with a certificate of its own making."""
    unix_socket: bool = False
    """Whether the server listens on a Unix socket instead of a port."""
    maxmemory: str | None = None
    """Such as `20mb`; a full server refuses writes."""
    appendonly: bool = False
    """Whether the data survives a restart, or a kill, though not a loss of power."""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    """Any other setting of the server's configuration."""
    preload: str | None = None
    """A library that Linux loads before those of a server's binary, such as an allocator."""

    @property
    def is_clustered(self) -> bool:
        """Whether it is a node of a cluster."""
        return self.settings.get("cluster-enabled") == "yes"

    def arguments(self) -> list[str]:
        """The settings as arguments of the server's command line, but for where it listens."""
        settings = {"save": "", "appendonly": "yes" if self.appendonly else "no", "protected-mode": "no"}
        if self.appendonly:
            # The default, `everysec`, puts a write off while the disk is busy: a kill then loses what was acknowledged.
            settings["appendfsync"] = "no"
        if self.password is not None:
            settings["requirepass"] = self.password
        if self.maxmemory is not None:
            settings |= {"maxmemory": self.maxmemory, "maxmemory-policy": "noeviction"}
        settings |= self.settings
        arguments = [argument for name, value in settings.items() for argument in (f"--{name}", value)]
        for name, rules in self.users.items():
            arguments += ["--user", name, *rules.split()]
        return arguments
