"""The queues that are compared, ours first."""

import importlib
import inspect
from typing import Final, cast

from tests.benchmarks.peers.peer import Peer

MODULES: Final = {
    "jobsvalkey": "own",
    "arq": "arq",
    "SAQ": "saq",
    "taskiq": "taskiq",
    "streaQ": "streaq",
    "pydocket": "docket",
    "RQ": "rq",
    "dramatiq": "dramatiq",
    "huey": "huey",
    "Celery": "celery",
}
"""The module of each. Only that is imported: an environment holds one of them."""


def peer_named(name: str) -> type[Peer]:
    """Return the class of a queue, or of a situation of ours."""
    if name not in MODULES:
        situations: dict[str, type[Peer]] = importlib.import_module("tests.benchmarks.peers.situations").SITUATIONS
        return situations[name]
    module = importlib.import_module(f"tests.benchmarks.peers.{MODULES[name]}")
    (found,) = (
        cast("type[Peer]", each)
        for _, each in inspect.getmembers(module, inspect.isclass)
        if each.__module__ == module.__name__ and hasattr(each, "requirements")
    )
    return found
