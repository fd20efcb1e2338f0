"""All kinds, in the order of the table."""

from tests.chaos import groups, network, processes, servers
from tests.chaos.kind import Kind, kind

MODULES = tuple(module.__name__ for module in (processes, servers, network, groups))
KINDS: dict[str, Kind] = dict(
    sorted(kind.all.items(), key=lambda item: MODULES.index(getattr(item[1].happen, "__module__", "")))
)
