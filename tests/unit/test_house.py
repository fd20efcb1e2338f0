"""The rules of the house that no linter knows."""

import ast
import importlib
import inspect
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jobsvalkey_conformance.sentences import entries, named_in

from tests.support.sentences import sentences

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {
    *("jobsvalkey", "jobsvalkey_memory", "conformance", "tests", "docs", ".ci", ".github"),
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", ".gitignore"),
}
PACKAGES = ["jobsvalkey", "jobsvalkey_memory", "jobsvalkey_conformance"]
CLOCKS = {"jobsvalkey/contract/clock.py", "jobsvalkey_memory/clock.py"}
FORBIDDEN = {
    "a path of somebody's machine": r"(?<![\w.])/(?:work|root|opt/venv|home/\w+|Users/\w+)/",
    "a path outside the checkout": r"\.\./(?:shared|main)\b",
    "a host of a package registry": r"(?:pypi|pythonhosted|npmjs|debian)\.org\b",
}


def files(*patterns: str) -> Iterator[tuple[str, str]]:
    """The names and texts of the files in the repository, new ones too; pictures have none."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            yield name, "" if name.endswith(".png") else (ROOT / name).read_text()


def test_the_top_level_holds_what_the_architecture_names() -> None:
    assert {name.split("/")[0] for name, _ in files()} - TOP_LEVEL == set()


def test_python_files_are_short() -> None:
    lengths = {name: text.count("\n") for name, text in files("*.py")}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


@pytest.mark.parametrize("pattern", FORBIDDEN.values(), ids=FORBIDDEN)
def test_no_file_names(pattern: str) -> None:
    assert [name for name, text in files() if re.search(pattern, text)] == []


def test_time_comes_in_from_outside() -> None:
    asks = re.compile(r"\btime\.time\(|\bdatetime\.(?:now|utcnow|today)\(")
    packages = ["jobsvalkey/*.py", "jobsvalkey_memory/*.py", "conformance/*.py"]
    assert [name for name, text in files(*packages) if asks.search(text) and name not in CLOCKS] == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    # The kit reports what a harness cannot do as not run, for drivers that are not ours.
    marks = re.compile(r"pytest\.(?:mark\.)?(?:skip(?!\.Exception)|xfail)|importor" + "skip")
    assert [name for name, text in files("tests/*.py", "docs/*.py") if marks.search(text)] == []


SHARED = ("tests.support", "tests.conftest")
"""Whence the tests of any folder import."""
EXAMPLE = "tests.contract.test_sqlite_example"
"""Shown by the documentation as it stands there; `tests.support` runs the same driver."""


def test_folders_of_tests_import_from_each_other_nothing_but_what_is_shared() -> None:
    imports = re.compile(r"(?:from|import) (tests\.[\w.]+)")
    across = {
        (name, module)
        for name, text in files("tests/*.py")
        for module in imports.findall(text)
        if not module.startswith((name.rpartition("/")[0].replace("/", "."), *SHARED)) and module != EXAMPLE
    }
    assert across == set()


def test_each_script_says_what_it_takes_returns_and_costs() -> None:
    for name, text in files(":(glob)jobsvalkey/valkey/scripts/*.lua"):
        header = "".join(re.match(r"((?:--.*\n)*)", text).groups())  # pyright: ignore[reportOptionalMemberAccess]
        assert "\n-- result: " in header, name
        assert "\n-- cost: " in header, name
    for name, text in files("jobsvalkey/valkey/scripts/lib/*.lua"):
        assert text.startswith("-- "), name


def public(name: str) -> Iterator[tuple[str, Any]]:
    package = importlib.import_module(name)
    for exported in package.__all__:
        value = getattr(package, exported)
        if inspect.isclass(value):
            yield exported, value
            for attribute, member in inspect.getmembers(value):
                documented = inspect.isroutine(member) or isinstance(member, property)
                abstract = getattr(member, "__isabstractmethod__", False)
                if documented and not abstract and not attribute.startswith("_") and ours(value, attribute):
                    yield f"{exported}.{attribute}", member
        elif inspect.isroutine(value):
            yield exported, value


def ours(owner: type, attribute: str) -> bool:
    definer = next(each for each in owner.__mro__ if attribute in each.__dict__)
    return definer.__module__.partition(".")[0] in PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_public_is_documented(package: str) -> None:
    assert [name for name, value in public(package) if not inspect.getdoc(value)] == []


def test_the_contract_is_documented() -> None:
    assert [name for name, value in public("jobsvalkey.contract") if not inspect.getdoc(value)] == []


CONDITIONS = (
    r"`(?:True|False|None|\d+)` where\b",  # `None` where it is not there
    r"\b(?:also|even|only|except) where (?:it|they|a|an|the|one|there|that|nothing|nobody)\b",
    r"(?:^|[.:;|] )Where (?!things)[^.:]*, ",  # Where a job is lost, …
    r"\bwhere (?:none|nothing|nobody|that is given|one is given|there (?:is|are|was|were))\b",
)
"""A condition says *if* or *when*. *Where* is for places."""


@cache
def docstrings() -> list[tuple[str, str]]:
    """List the place and the text of each docstring of the packages, those of attributes too."""
    return [
        (f"{name}:{node.lineno}", " ".join(node.value.value.split()))
        for name, text in files("jobsvalkey/*.py", "jobsvalkey_memory/*.py", "conformance/*.py")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]


@cache
def lines() -> list[tuple[str, str]]:
    """List the place and the text of each line of a page, and of each comment of the packages."""
    return [
        (
            f"{name}:{number}",
            line if name.endswith(".md") else line.partition("--" if name.endswith("lua") else "# ")[2],
        )
        for name, text in files("*.md", "jobsvalkey/*", "jobsvalkey_memory/*", "conformance/*")
        for number, line in enumerate(text.splitlines(), 1)
    ]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_say_if_and_not_where(condition: str) -> None:
    assert [place for place, text in docstrings() + lines() if re.search(condition, text)] == []


def test_no_docstring_begins_with_a_question_word() -> None:
    assert [place for place, text in docstrings() if re.match(r"(?:What|Where) ", text)] == []


NOT_VERBS = (
    *("a", "an", "the", "how", "whether", "when", "what", "where", "if", "as", "at", "on", "in", "of", "for", "after"),
    *("before", "around", "within", "never", "nothing", "everything", "something", "is", "these", "those", "this"),
)


@pytest.mark.parametrize("package", [*PACKAGES, "jobsvalkey.contract"])
def test_docstrings_of_functions_begin_with_a_verb(package: str) -> None:
    documented = {
        name: inspect.getdoc(value) or ""
        for name, value in public(package)
        if inspect.isroutine(value) and ".test_" not in name
    }
    firsts = {name: text.split()[0].strip(",.:;").lower() for name, text in documented.items() if "→" not in text}
    assert {name: first for name, first in firsts.items() if first in NOT_VERBS or not first.isalpha()} == {}


def test_guides_say_what_they_are_for_before_they_show_code() -> None:
    for name, text in files("docs/guide/*.md"):
        opening = text.partition("```")[0].partition("\n## ")[0].splitlines()[1:]
        words = " ".join(line for line in opening if not line.startswith("|")).split()
        assert len(words) >= 20, name
        assert {"you", "use", "need", "your"} & {word.strip(".,:;").lower() for word in words}, name


def test_each_sentence_of_the_contract_has_its_tests() -> None:
    # In `conformance/jobsvalkey_conformance/sentences.md`; what promises nothing has a reason in place of tests.
    said = {(heading, sentence): text for heading, sentence, text in entries()}
    assert list(said) == sentences(), "run `python -m tests.support.sentences`, and name the tests in place of each `?`"
    assert [sentence for sentence, text in said.items() if not re.match(r"[`*]\w", text)] == [], "name its tests"
    known = {
        f"test_{name}" for _, text in files("conformance/*.py") for name in re.findall(r"async def test_(\w+)", text)
    }
    named = {test for text in said.values() for test in named_in(text)}
    there = {test for test in named if test in known or ("/" in test and (ROOT / test).exists())}
    assert named - there - {"test_stateful", "test_histories"} == set()
