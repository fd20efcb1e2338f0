"""The suite on the Valkey driver, with every server that this machine can run."""

import re
from collections.abc import Iterator
from typing import ClassVar, cast

import pytest
from jobsvalkey_conformance import DriverConformance, Hook

from tests.support.harnesses import ValkeyHarness
from tests.support.servers import ServerKind, ServerOptions, found_kinds


class OnServer(DriverConformance):
    """The suite on a server of its own, which it may restart; one that is given by its URL is used as it is."""

    harness_type = ValkeyHarness
    kind: ClassVar[ServerKind]
    may_lack: ClassVar[frozenset[Hook]]


@pytest.fixture(scope="class", autouse=True)
def running(request: pytest.FixtureRequest) -> Iterator[None]:
    """The server of a class, for all of its tests."""
    suite = cast(type[OnServer], request.cls)  # pyright: ignore[reportUnknownMemberType]
    options = ServerOptions() if suite.kind.id == "url" else ServerOptions(appendonly=True)
    with suite.kind.make(options) as server:
        ValkeyHarness.server = server
        yield


# The searches are by chance: they run in full on one server, and shorter on the others, with the same scripts.
SHORTER: dict[str, object] = {
    "stateful_examples": 10,
    "histories": 2,
    "slow_areas": ("process", "combined", "sequences"),
}

SLOW = {"valkey-8.1"}
"""It runs the scripts as 9.1 does, so its suite is left to `-m slow`."""

BY_DAY = {"container": ("push", "claim", "fault", "race", "thread", "wait", "clock")}
"""The areas that every run has, where the server is the same as another, elsewhere: the others run with `-m night`."""

for number, kind in enumerate(found_kinds()):
    name = "TestOn" + re.sub(r"\W", "", kind.id.capitalize())
    of_ours = frozenset({Hook.RESTART_STORE, Hook.KILL_STORE, Hook.FORGETFUL_STORE})
    may_lack = of_ours if kind.id == "url" else frozenset[Hook]()
    members: dict[str, object] = {
        "kind": kind,
        "may_lack": may_lack,
        "__module__": __name__,
        **(SHORTER if number else {}),
    }
    if kind.id in BY_DAY:
        members["by_day"] = BY_DAY[kind.id]
    suite = type(name, (OnServer,), members)
    globals()[name] = pytest.mark.slow(suite) if kind.id in SLOW else suite
