# ruff: noqa: T201 - its last line is the answer
"""Which statements of a program the kit's areas pass for jobs with which features: only there can they be left out.

`python -m tests.mutation.meeting scripts`, or `twin`, runs the areas once, with the program noting what it meets.
A combination that they never meet is either impossible, or a bug that they cannot notice: `--unmet` lists those.
"""

import argparse
import builtins
import json
from collections.abc import Callable
from typing import Any

import pytest
from jobsvalkey_conformance import run as kit_run
from jobsvalkey_conformance.run import Collector
from valkey import Valkey

from tests.mutation import lua_combinations, python_combinations
from tests.mutation.features import LUA, PYTHON
from tests.mutation.point import Point
from tests.mutation.programs import PROGRAMS, Program
from tests.mutation.run import AREAS, met_file, serve, server_for

MET = "met_by_the_kit"
"""The name of the key, or of the function, that notes what is met."""
ENOUGH = 64
"""How often a step notes a place at most, for steps of thousands of jobs."""


def labelled(program: Program) -> dict[str, Point]:
    """All combinations that are not left out, by the labels under which the program notes them."""
    found: dict[str, Point] = {}
    by_change = {(point.path, point.start, point.new): point for point in program.combinations()}
    for path, source in program.sources().items():
        parts = lua_combinations if path.endswith(".lua") else python_combinations
        for place in parts.places(source):
            for feature in LUA if path.endswith(".lua") else PYTHON:
                new = parts.without(source[place.start : place.stop], place, feature)
                if point := by_change.get((path, place.start, new)):
                    found[f"{path}:{place.start}:{feature}"] = point
    return found


def marked(path: str, source: str) -> str:
    """Return a file that notes what it meets."""
    is_lua = path.endswith(".lua")
    for place in sorted((lua_combinations if is_lua else python_combinations).places(source), reverse=True):
        text = source[place.start : place.stop]
        note = f"{MET}('{path}:{place.start}', {place.subject}{'' if is_lua else ', self'})"
        new = f"({text}) and {note}" if place.is_condition else f"{note}; {text}"
        source = source[: place.start] + new + source[place.stop :]
    return source


def recorder() -> str:
    """Return the function that a marked script calls."""
    notes = "\n".join(
        f"  if {condition.format('id')} then redis.pcall('SADD', '{MET}', place .. ':{feature}') end"
        for feature, condition in LUA.items()
    )
    return (
        "local met_so_far = {}\n"
        f"local function {MET}(place, id)\n"
        "  if type(id) == 'table' then\n"
        f"    for _, each in ipairs(id) do {MET}(place, each) end\n"
        "    return true\n"
        "  end\n"
        "  local times = (met_so_far[place] or 0) + 1\n"
        "  met_so_far[place] = times\n"
        f"  if times > {ENOUGH} then return true end\n"
        f"{notes}\n"
        "  return true\n"
        "end\n"
    )


def noting(pairs: set[str]) -> Callable[[str, Any, Any], bool]:
    """Return the function that the marked twin calls."""
    features = {feature: eval(f"lambda self, job: {PYTHON[feature].format('job')}") for feature in PYTHON}  # noqa: S307

    def note(place: str, job: Any, self: Any) -> bool:
        state = getattr(self, "state", self)
        for feature, has in features.items():
            if job and (hasattr(state, "jobs") or "self" not in PYTHON[feature]) and has(self, job):
                pairs.add(f"{place}:{feature}")
        return True

    return note


def meet(program: Program, select: str) -> dict[str, list[str]]:
    """Run a part of the kit in this process; for each label that it meets the tests that do, the fastest first."""
    texts = {path: marked(path, source) for path, source in program.sources().items()}
    pairs = set[str]()
    times: dict[str, dict[str, float]] = {}
    if keys := next((path for path in texts if path.endswith("lib/keys.lua")), None):
        texts[keys] += recorder()
    else:
        setattr(builtins, MET, noting(pairs))
    program.plant_texts(texts)
    with server_for(program) as url:
        client: Any = Valkey.from_url(url) if url else None  # pyright: ignore[reportUnknownMemberType]
        if url:
            serve(url)

        class Watching(Collector):
            def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
                super().pytest_runtest_logreport(report)
                if client:
                    pairs.update(pair.decode() for pair in client.smembers(MET))
                    client.delete(MET)
                test = report.nodeid.rsplit("::", 1)[1].split("[")[0]
                for pair in pairs:
                    known = times.setdefault(pair, {})
                    known[test] = known.get(test, 0) + report.duration
                pairs.clear()

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(kit_run, "Collector", Watching)
            kit_run.run(program.harness, select=select)
    return {pair: sorted(known, key=known.__getitem__) for pair, known in times.items()}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=[name for name, program in PROGRAMS.items() if program.combine])
    parser.add_argument("--unmet", action="store_true", help="list what the areas never meet")
    parser.add_argument("--select", default=AREAS, help="the tests, as -k of pytest takes them")
    options = parser.parse_args()
    program = PROGRAMS[options.program]
    points = labelled(program)
    met = meet(program, options.select)
    found = {points[label].key: tests for label, tests in met.items() if label in points}
    met_file(program).write_text(json.dumps(found, indent=0, sort_keys=True))
    if options.unmet:
        for label in sorted(set(points) - set(met)):
            print(f"{label.rsplit(':', 1)[1]:<24} {points[label].path.rsplit('/', 1)[1]:<16} {points[label].line}")
    print(f"{len(points)} combinations, {len(found)} of them met")


if __name__ == "__main__":
    main()
