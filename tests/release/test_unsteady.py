"""`.ci/tests` tells tests that fail from those that failed once, and never lets anything else pass."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELL = """
set -u -o pipefail
scratch=$1; shift
. "$0"
tests "$@"
echo "status: $?"
tell_unsteady
"""
PLANTED = {
    "well": "def test_well(): pass",
    "wrong": "def test_wrong(): assert False",
    # By two names in a set: in another order they would be called otherwise.
    "unsteady": """
import pathlib, pytest
@pytest.mark.parametrize("kind", {"a", "b", "c", "d"})
def test_unsteady(kind):
    mark = pathlib.Path(__file__).with_suffix(f".{kind}")
    passes = mark.exists()
    mark.touch()
    assert passes or kind == "a"
""",
    "setup": """
import pathlib, pytest
@pytest.fixture
def once():
    mark = pathlib.Path(__file__).with_suffix(".once")
    if not mark.exists():
        mark.touch()
        raise OSError
def test_setup(once): pass
""",
    "gone": """
import pathlib
mark = pathlib.Path(__file__).with_suffix(".once")
if not mark.exists():
    def test_gone():
        mark.touch()
        assert False
def test_there(): pass
""",
    "collection": """
import pathlib
mark = pathlib.Path(__file__).with_suffix(".once")
if not mark.exists():
    mark.touch()
    raise ImportError
def test_collection(): pass
""",
    "crash": """
import os, pathlib
def test_crash():
    mark = pathlib.Path(__file__).with_suffix(".once")
    if not mark.exists():
        mark.touch()
        os._exit(1)
""",
    "many": """
import pathlib, pytest
@pytest.mark.parametrize("number", range(30))
def test_many(number):
    mark = pathlib.Path(__file__).with_suffix(f".{number}")
    passes = mark.exists()
    mark.touch()
    assert passes
""",
}
pytestmark = pytest.mark.slow
HEADING = "=== unsteady: failed once, passed alone; each is a bug to be mended"


@pytest.mark.parametrize(
    ("planted", "options", "status", "unsteady"),
    [
        (["well"], [], 0, []),
        (["well", "unsteady", "setup"], [], 0, ["setup", *["unsteady"] * 3]),
        (["well", "unsteady"], ["-n", "2"], 0, ["unsteady"] * 3),
        (["unsteady", "wrong"], [], 1, []),
        (["wrong"], [], 1, []),
        (["unsteady", "gone"], [], 1, []),
        (["unsteady", "wrong"], ["-n", "2"], 1, []),
        (["unsteady", "collection"], [], 2, []),
        (["unsteady", "collection"], ["-n", "2"], 1, []),
        (["unsteady", "collection"], ["--continue-on-collection-errors"], 1, []),
        (["well", "crash"], ["-n", "2"], 1, []),
        (["many"], [], 1, []),
        (["well"], ["-k", "nobody"], 5, []),
        (["well"], ["--no-such-option"], 4, []),
    ],
    ids=str,
)
def test_what_a_run_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    planted: list[str],
    options: list[str],
    status: int,
    unsteady: list[str],
) -> None:
    for name in planted:
        (tmp_path / f"test_{name}.py").write_text(PLANTED[name])
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    ran = subprocess.run(
        ["bash", "-c", SHELL, ROOT / ".ci" / "tests", tmp_path, *options, "-p", "xdist.plugin", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    end = ran.stdout.partition("status: ")[2].splitlines()
    assert int(end[0]) == status, ran
    told = end[end.index(HEADING) + 1 :] if HEADING in end else []
    assert [name.partition(".py::test_")[2].partition("[")[0] for name in told] == unsteady
