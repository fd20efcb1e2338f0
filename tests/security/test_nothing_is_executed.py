"""Nothing that is stored is ever executed: no part of the library can make code of data."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(file for package in ("jobsvalkey", "jobsvalkey_memory") for file in (ROOT / package).rglob("*.py"))
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml", "code"}
IMPORTS_BY_NAME = {
    *("jobsvalkey/cli/loading.py", "jobsvalkey/cli/reloading.py"),  # what the command line names
    # names that stand in the code
    *("jobsvalkey/runtime/values/constraints.py", "jobsvalkey_memory/__init__.py", "jobsvalkey/cli/commands/bench.py"),
    *("jobsvalkey/__init__.py", "jobsvalkey/cli/main.py", "jobsvalkey/cli/benchmarks/several.py"),
}


def found_in(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            yield node.func.id
        if isinstance(node, ast.Import):
            yield from FORBIDDEN_MODULES.intersection(name.name.split(".")[0] for name in node.names)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            yield str(node.module)
        if isinstance(node, ast.Attribute) and node.attr == "import_module":
            yield "import_module"
        if isinstance(node, ast.Name) and node.id == "import_module" and isinstance(node.ctx, ast.Load):
            yield "import_module"


@pytest.mark.parametrize(
    "text", ["eval('1')", "import pickle", "from marshal import loads", "importlib.import_module(x)"]
)
def test_it_would_be_found(text: str) -> None:
    assert list(found_in(text))


def test_no_file_makes_code_of_data() -> None:
    names = {str(file.relative_to(ROOT)): set(found_in(file.read_text())) for file in FILES}
    found = {name: each for name, each in names.items() if each}
    assert {name for name, each in found.items() if each == {"import_module"}} == IMPORTS_BY_NAME
    assert {name: each for name, each in found.items() if each != {"import_module"}} == {}
