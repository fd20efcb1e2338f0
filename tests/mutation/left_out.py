"""What mutation by machine leaves out, and why: it is no business of the kit's, or makes no difference."""

import re
from typing import NamedTuple

from tests.mutation.point import Point


class LeftOut(NamedTuple):
    """A rule: the changes of lines that match, in files that match, are left out."""

    path: str
    line: str
    reason: str


RULES = [
    LeftOut(r"", r"\blogger\b|\.warning\(|\.debug\(", "logs"),
    LeftOut(r"", r"\bfault\(|\berror_reply\b|\bConfigurationError\(", "the texts of errors"),
    LeftOut(r"", r"\bcheck_option\(", "checks of the caller's types, which pyright makes too"),
    LeftOut(r"jobsvalkey_memory/queue\.py", r"class MemoryJobQueue|service_job_prefix", "names"),
    LeftOut(
        r"jobsvalkey/valkey/(connection|durability|faults|validation|listening)\.py", r"", "connections, not steps"
    ),
    LeftOut(r"jobsvalkey/valkey/(service_jobs|sessions|words|tasks)\.py", r"", "settings, names and texts"),
    LeftOut(r"scripts/(examine|rights)\.lua", r"", "`validate` and rights"),
    LeftOut(r"scripts/lib/(swift|types)\.lua", r"", "what Swift and damaged keys leave: tests/swift and tests/faults"),
    LeftOut(r"scripts/", r"has_ended_in_swift|bring_home|has_wrong_type|is_broken|\bwrong\b", "the same"),
    LeftOut(r"docs/drivers/", r"StoreUnavailable|self\._path", "where the file is"),
]

EQUIVALENT: dict[str, str] = {}
"""Changes that make no difference to anybody who keeps the contract, by their keys, each with the reason."""


def is_left_out(point: Point, rules: list[LeftOut] = RULES) -> bool:
    """Whether a rule leaves a change out."""
    return any(re.search(rule.path, point.path) and re.search(rule.line, point.line) for rule in rules)
