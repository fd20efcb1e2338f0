"""The four programs that are changed by machine: their files, and how the kit gets one that is changed."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tests.mutation.left_out import is_left_out
from tests.mutation.lua_combinations import lua_combinations
from tests.mutation.lua_points import lua_points
from tests.mutation.point import Point
from tests.mutation.python_combinations import python_combinations
from tests.mutation.python_points import python_points

ROOT = Path(__file__).parents[2]
TWIN = "mutated_twin"
"""The package of the changed twin: the kit goes on comparing with the twin as it is."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that the kit is held against."""

    name: str
    files: str
    """A pattern of paths."""
    but_for: frozenset[str]
    """Names of files that are no part of a driver."""
    harness: str
    """`MODULE:NAME`, as the kit is told."""
    plant_texts: Callable[[Mapping[str, str]], None]
    """Makes this process see other texts of some files, by their paths."""
    own_tests: tuple[str, ...] = ()
    """Tests of the repository that are held against what the kit lets live: connections are no business of a kit's."""

    combine: Callable[[str, str], list[Point]] | None = None
    """Finds what can be left out for the jobs that have one feature more."""

    def sources(self) -> dict[str, str]:
        """The files by path, with their text."""
        paths = sorted(path for path in ROOT.glob(self.files) if path.name not in self.but_for)
        return {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths}

    def points(self) -> list[Point]:
        """All changes, but for what is left out."""
        finder = lua_points if self.files.endswith(".lua") else python_points
        found = [point for path, source in self.sources().items() for point in finder(path, source)]
        return [point for point in found if not is_left_out(point)]

    def combinations(self) -> list[Point]:
        """All that can be left out for the jobs with some feature, but for what is left out anyhow."""
        if self.combine is None:
            return []
        found = [point for path, source in self.sources().items() for point in self.combine(path, source)]
        return [point for point in found if not is_left_out(point)]

    def plant(self, point: Point) -> None:
        """Make this process see a change."""
        self.plant_texts({point.path: point.change((ROOT / point.path).read_text("utf-8"))})


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports modules from texts."""

    def __init__(self, texts: dict[str, tuple[Path, str]]) -> None:
        self.texts = texts

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.texts:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(self.texts[fullname][0]))

    def exec_module(self, module: ModuleType) -> None:
        path, text = self.texts[module.__name__]
        exec(compile(text, str(path), "exec"), vars(module))  # noqa: S102 - that is its purpose


def _plant_modules(texts: Mapping[str, str]) -> None:
    for known in [known for known in sys.modules if known.startswith(("jobsvalkey.valkey", "tests.support", "docs."))]:
        del sys.modules[known]
    found = {path.removesuffix(".py").replace("/", "."): (ROOT / path, text) for path, text in texts.items()}
    sys.meta_path.insert(0, _Changed(found))


def _plant_twin(changed: Mapping[str, str]) -> None:
    modules = "|".join(Path(path).stem for path in PROGRAMS["twin"].sources())

    def renamed(text: str) -> str:
        return re.sub(rf"jobsvalkey_memory\.({modules})\b", rf"{TWIN}.\1", text)

    texts = {TWIN: (ROOT / "jobsvalkey_memory", "")}
    for path, source in PROGRAMS["twin"].sources().items():
        texts[f"{TWIN}.{Path(path).stem}"] = (ROOT / path, renamed(changed.get(path, source)))
    harnesses = ROOT / "tests" / "support" / "harnesses.py"
    old = "from jobsvalkey_memory import MemoryJobQueue, MemoryStore\n"
    new = f"from {TWIN}.queue import MemoryJobQueue\nfrom {TWIN}.store import MemoryStore\n"
    source = harnesses.read_text("utf-8")
    assert old in source
    texts[f"{TWIN}.harnesses"] = (harnesses, source.replace(old, new))
    finder = _Changed(texts)
    sys.meta_path.insert(0, finder)
    package = ModuleType(TWIN)
    package.__path__ = []
    sys.modules[TWIN] = package


def _plant_scripts(texts: Mapping[str, str]) -> None:
    scripting = importlib.import_module("jobsvalkey.valkey.scripting")
    for path, text in texts.items():
        known = vars(scripting)["_LIBRARIES"].sources if "/lib/" in path else vars(scripting)["_SCRIPTS"]
        known[Path(path).stem] = text


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            "twin",
            "jobsvalkey_memory/*.py",
            frozenset({"__init__.py", "clock.py", "testing.py", "pytest_plugin.py"}),
            f"{TWIN}.harnesses:MemoryHarness",
            _plant_twin,
            combine=python_combinations,
        ),
        Program(
            "sqlite",
            "docs/drivers/*.py",
            frozenset(),
            "tests.contract.test_sqlite_example:SQLiteHarness",
            _plant_modules,
        ),
        Program(
            "driver",
            "jobsvalkey/valkey/*.py",
            frozenset({"__init__.py"}),
            "tests.support.harnesses:ValkeyHarness",
            _plant_modules,
            (
                *("tests/unit/valkey", "tests/unit/blocking/test_direct.py", "tests/connections", "tests/faults"),
                "tests/topologies/test_durability.py",
                *(
                    "tests/topologies/test_sentinel.py",
                    "tests/weaknesses/test_cluster.py",
                    "tests/topologies/test_cluster.py",
                ),
            ),
        ),
        Program(
            "scripts",
            "jobsvalkey/valkey/scripts/**/*.lua",
            frozenset(),
            "tests.support.harnesses:ValkeyHarness",
            _plant_scripts,
            ("tests/unit/valkey", "tests/connections/test_costs.py"),
            lua_combinations,
        ),
    )
}
