"""What mutation by machine changes, and that the kit meets a change."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from jobsvalkey.valkey.scripting import RECOVER
from tests.mutation import own, run
from tests.mutation.left_out import EQUIVALENT, RULES, is_left_out
from tests.mutation.lua_points import lua_points
from tests.mutation.point import Point
from tests.mutation.programs import PROGRAMS, ROOT
from tests.mutation.python_points import python_points

PYTHON = '''"""Adds."""

def add(job: str, *, now: int = 1) -> bool:
    """Say it."""
    if job is None or now <= 3:
        note(job, at=now)
        raise ValueError("x" + job)
    return not self.holds(job) and b"%d" % now > "ä"
'''
LUA = """-- A comment: 1 < 2 and 3
local function add(id, now)
  if now <= 10 and id ~= '' then
    redis.call('HDEL', key, id)
  end
  note(id, -1)
  return not found and #ids + 1 or false -- 5
end
"""


def changed(found: list[Point], source: str) -> set[str]:
    return {point.change_of_line(source) for point in found}


def test_python_is_changed_where_it_does_something() -> None:
    assert changed(python_points("x.py", PYTHON), PYTHON) == {
        "def add(job: str, *, now: int = 2) -> bool:",
        "if (not (job is None or now <= 3)):",
        "if job is None and now <= 3:",
        "if job is not None or now <= 3:",
        "if job is None or now < 3:",
        "if job is None or now > 3:",
        "if job is None or now <= 4:",
        "pass",
        "note(None, at=now)",
        "note(job, at=None)",
        "return None",
        'return not self.holds(job) or b"%d" % now > "ä"',
        'return self.holds(job) and b"%d" % now > "ä"',
        'return not self.holds(None) and b"%d" % now > "ä"',
        "return not self.holds(job) and b'%dx' % now > \"ä\"",
        'return not self.holds(job) and b"%d" % now >= "ä"',
        'return not self.holds(job) and b"%d" % now <= "ä"',
        "return not self.holds(job) and b\"%d\" % now > 'äx'",
    }


def test_lua_is_changed_where_it_does_something() -> None:
    assert changed(lua_points("x.lua", LUA), LUA) == {
        "if not (now <= 10 and id ~= '') then",
        "if now < 10 and id ~= '' then",
        "if now > 10 and id ~= '' then",
        "if now <= 11 and id ~= '' then",
        "if now <= 10 or id ~= '' then",
        "if now <= 10 and id == '' then",
        "if now <= 10 and id ~= 'x' then",
        "do end",
        "note(nil, -1)",
        "note(id,nil)",
        "note(id, -2)",
        "return found and #ids + 1 or false -- 5",
        "return not found or #ids + 1 or false -- 5",
        "return not found and #ids - 1 or false -- 5",
        "return not found and #ids + 2 or false -- 5",
        "return not found and #ids + 1 and false -- 5",
        "return not found and #ids + 1 or true -- 5",
    }


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_has_hundreds_of_changes(name: str) -> None:
    found = PROGRAMS[name].points()
    assert len(found) > 300
    assert len({point.key for point in found}) == len(found)
    if name in ("twin", "sqlite"):
        for point in run.sample(found, 50, seed=2):
            ast.parse(point.change(PROGRAMS[name].sources()[point.path]))
    assert {point.path for point in found} <= set(PROGRAMS[name].sources())


def test_a_change_is_known_by_its_line() -> None:
    moved = "\n\n" + PYTHON
    before, after = python_points("x.py", PYTHON), python_points("x.py", moved)
    assert [point.key for point in before] == [point.key for point in after]


def test_what_is_left_out_has_a_reason_and_is_there() -> None:
    found = [
        point
        for program in PROGRAMS.values()
        for path, source in program.sources().items()
        for point in (lua_points if path.endswith(".lua") else python_points)(path, source)
    ]
    for rule in RULES:
        assert rule.reason
        assert any(is_left_out(point, [rule]) for point in found), rule
    # One whose line has changed since does no harm.
    assert all(EQUIVALENT.values())


def test_the_drivers_own_tests_meet_a_change() -> None:
    program = PROGRAMS["driver"]
    point = next(point for point in program.points() if point.line == "followed = True" and point.new == "False")
    killer = own.failure_in("tests/unit/valkey/test_channel.py", program, point)
    assert killer.endswith("::test_a_redirection_is_followed_once_without_a_pause")


PLANTS = """
from tests.mutation.programs import PROGRAMS
program = PROGRAMS["scripts"]
program.plant(next(point for point in program.points() if point.path.endswith("/{}")))
from jobsvalkey.valkey.scripting import RECOVER
print(RECOVER.digest)
"""


@pytest.mark.parametrize("file", ["recover.lua", "lib/releasing.lua"])
def test_a_change_of_a_script_is_sent(file: str) -> None:
    done = subprocess.run([sys.executable, "-c", PLANTS.format(file)], capture_output=True, text=True, cwd=ROOT)
    assert len(done.stdout.strip()) == 40, done.stderr
    assert done.stdout.strip() != RECOVER.digest


def test_the_kit_meets_a_change() -> None:
    run.warm_up()
    program = PROGRAMS["twin"]
    point = next(
        point
        for point in program.points()
        if "expires <= now" in point.line and point.new == ">" and "is_expired" in point.line
    )
    assert Path(ROOT, point.path).exists()
    killer = run.in_child(program, point, "test_claim_ or test_order_")
    assert killer.startswith(("test_claim_", "test_order_"))
