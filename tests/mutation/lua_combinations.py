"""What can be left out of a Lua script for the jobs that have one feature more: statements and branches."""

import re
from collections.abc import Iterator

from tests.mutation.features import LUA
from tests.mutation.lua_points import CONDITION, KEYWORDS, STATEMENT, is_balanced
from tests.mutation.lua_scopes import Scope, Scopes
from tests.mutation.point import Place, Point, points

ASSIGNMENT = re.compile(r"^( *)([A-Za-z_][\w.]*(?:\[.*?\])?(?:, [A-Za-z_][\w.]*(?:\[.*?\])?)*) = (.+)$", re.M)
IS_BEGUN = re.compile(r"(?:[=,({]|\b(?:and|or|return))$")
GOES_ON = re.compile(r"\n *(?:and|or|\.\.)\b")
JOBS = {"id": "{}", "child": "{}", "parent": "{}", "batch_id": "{}", "callback": "{}", "ids": "any"}
"""The names that ids of jobs have in the scripts, and that lists of them have."""


def lua_combinations(path: str, source: str) -> list[Point]:
    """Find all statements and branches of a script, each to be left out if the job has one of the features."""
    changes = [
        (place.start, place.stop, without(source[place.start : place.stop], place, feature))
        for place in places(source)
        for feature in LUA
    ]
    return points(path, source, changes)


def without(text: str, place: Place, feature: str) -> str:
    """Return a statement or a condition so that it does nothing for jobs with a feature."""
    condition = condition_of(place.subject, feature)
    if place.is_condition:
        return f"({text}) and not ({condition})"
    return f"if not ({condition}) then {text} end"


def condition_of(subject: str, feature: str) -> str:
    """Say in Lua that a job, or one of some jobs, has a feature."""
    if JOBS[subject] != "any":
        return LUA[feature].format(subject)
    each = LUA[feature].format("each_id")
    return f"(function() for _, each_id in ipairs({subject}) do if {each} then return true end end end)()"


def places(source: str) -> Iterator[Place]:
    """Find the statements and branches that are about a job, by the names that are known there."""
    comments = [(match.start(), match.end()) for match in re.finditer(r"--[^\n]*", source)]
    code = "".join(" " if any(b <= n < e for b, e in comments) else c for n, c in enumerate(source))
    scopes = Scopes(source)
    spans = [(*match.span(1), True) for match in CONDITION.finditer(code) if is_balanced(match[1])]
    spans += [
        (match.start(2), match.end(), False)
        for kind in (STATEMENT, ASSIGNMENT)
        for match in kind.finditer(code)
        if match[2].split(" ")[0] not in KEYWORDS and is_balanced(match[3]) and not GOES_ON.match(code, match.end())
        if not match[3].endswith((",", "(", "{", " and", " or", ".."))
    ]
    for start, stop, is_condition in sorted(spans):
        before = code[:start].rstrip()
        if before.endswith("while") if is_condition else IS_BEGUN.search(before):
            continue
        if subject := _subject(source[start:stop], scopes.at(start)):
            yield Place(start, start + len(code[start:stop].rstrip()), is_condition, subject)


def _subject(text: str, scope: Scope) -> str | None:
    known = [name for name in reversed(scope) if name in JOBS]
    named = [name for name in known if re.search(rf"\b{name}\b", text)]
    return next(iter(named or known), None)
