"""Each numbered weakness has a test that is named for it."""

import re
from pathlib import Path

HERE = Path(__file__).parent
COUNT = 20


def named_tests(folder: Path) -> dict[int, list[str]]:
    """The tests in a folder that are named for a weakness, by its number."""
    found: dict[int, list[str]] = {}
    for file in sorted(folder.rglob("test_*.py")):
        for name, number in re.findall(r"def (test_weakness_(\d+)_\w+)\(", file.read_text()):
            found.setdefault(int(number), []).append(f"{file.relative_to(HERE.parent)}::{name}")
    return found


def test_each_weakness_has_its_test_on_a_real_server() -> None:
    assert sorted(named_tests(HERE)) == list(range(1, COUNT + 1))


def test_no_test_is_named_for_a_weakness_that_is_not_listed() -> None:
    assert set(named_tests(HERE.parent)) <= set(range(1, COUNT + 1))


def test_each_says_what_the_original_does_and_what_holds_here() -> None:
    for file in HERE.glob("test_*.py"):
        for name, text in re.findall(r"def (test_weakness_\w+)\(.*?\) -> None:\n(.*?)\n\n", file.read_text(), re.S):
            assert text.startswith('    """'), name
            assert "original" in text or text.startswith('    """The same'), name
