"""What is left out for the jobs that have one feature more, and that the kit says where that can be noticed."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.features import LUA, PYTHON
from tests.mutation.lua_combinations import lua_combinations, places
from tests.mutation.lua_scopes import Scopes
from tests.mutation.meeting import labelled, marked
from tests.mutation.programs import PROGRAMS, ROOT
from tests.mutation.python_combinations import python_combinations
from tests.mutation.run import met_file

SCRIPT = """-- args: id most
local function end_all(ids, claims)
  for n, child in ipairs(ids) do
    if claims[n] then tell(child) end
    local due = claims[n]
      or other(child)
    local first, last =
      unpack(child)
    left = left - 1
  end
  -- tell(ids)
  batch('DEL', nil, ids)
  if most > 1 then return false end
end
wake()
"""
MODULE = """
class Steps:
    def _end(self, holder, job_id, now):
        if job := self._find(job_id, now):
            self._tell(job)
            job = replace(job, ended_at=now)
        else:
            self.state.hint()
        left, right = 1, 2
        return now


def outside(job):
    forget(job)
"""


def test_lua_is_left_out_where_a_job_is_known() -> None:
    found = {SCRIPT[place.start : place.stop]: place.subject for place in places(SCRIPT)}
    assert found == {
        "claims[n]": "child",
        "left = left - 1": "child",
        "batch('DEL', nil, ids)": "ids",
        "most > 1": "ids",
        "wake()": "id",
    }


def test_a_statement_of_lua_is_left_out_for_the_jobs_with_a_feature() -> None:
    found = {point.change_of_line(SCRIPT) for point in lua_combinations("x.lua", SCRIPT)}
    has_lane = "redis.pcall('HEXISTS', KEYS[1] .. '.metadata._job.' .. tostring({}), 'lane') == 1"
    assert f"if (claims[n]) and not ({has_lane.format('child')}) then tell(child) end" in found
    assert f"if not ({has_lane.format('id')}) then wake() end" in found
    one_of = f"for _, each_id in ipairs(ids) do if {has_lane.format('each_id')} then return true end end"
    assert f"if not ((function() {one_of} end)()) then batch('DEL', nil, ids) end" in found
    assert len(found) == 5 * len(LUA)


def test_a_line_of_lua_can_name_what_is_in_reach() -> None:
    scopes = Scopes(SCRIPT)
    assert scopes.at(SCRIPT.index("left = left")) == [
        "id",
        "most",
        "ids",
        "claims",
        "n",
        "child",
        "due",
        "first",
        "last",
    ]
    assert scopes.at(SCRIPT.index("wake()")) == ["id", "most"]


def test_python_is_left_out_where_a_job_is_known() -> None:
    points = python_combinations("x.py", MODULE)
    for point in points:
        ast.parse(point.change(MODULE))
    found = {point.change_of_line(MODULE) for point in points}
    has_lane = "any(each_job.lane for each_job in [{}] if each_job)"
    assert f"if not {has_lane.format('job')}: self._tell(job)" in found
    assert f"if not {has_lane.format('job')}: job = replace(job, ended_at=now)" in found
    assert f"if (job := self._find(job_id, now)) and not {has_lane.format('job')}:" in found
    assert len(found) == 4 * len(PYTHON)


def test_each_change_has_a_label() -> None:
    program = PROGRAMS["twin"]
    points = program.combinations()
    assert {point.key for point in labelled(program).values()} == {point.key for point in points}
    assert len({point.key for point in points}) == len(points) > 3000
    for path, source in program.sources().items():
        ast.parse(marked(path, source))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["twin", "scripts"])
def test_the_tests_that_meet_a_change_are_known(name: str, tmp_path: Path) -> None:
    select = "test_laned_out_of_its_line or test_claim_in_order"
    command = [sys.executable, "-m", "tests.mutation.meeting", name, "--select", select]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, check=True)
    met = json.loads((tmp_path / met_file(PROGRAMS[name]).name).read_text("utf-8"))
    known = {point.key: point for point in PROGRAMS[name].combinations()}
    line = "self.state.put(job)" if name == "twin" else "redis.call('ZADD', list, score, id)"
    tests = {test for key, tests in met.items() if known[key].line == line for test in tests}
    assert "test_laned_out_of_its_line" in tests
