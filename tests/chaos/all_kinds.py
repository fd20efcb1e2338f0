"""All kinds, in the order of the table."""

from tests.chaos import groups, network, processes, servers
from tests.chaos.kind import Kind, kind

MODULES = (processes, servers, network, groups)
KINDS: dict[str, Kind] = kind.all
