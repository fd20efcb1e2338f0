"""The commands that the documentation shows are ones that there are."""

import re
import shlex
from pathlib import Path

import pytest

from jobsvalkey.cli.main import main

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
SHOWN = [line for page in PAGES for line in re.findall(r"^(?:.*[|&] )?(jobsvalkey [a-z].*)$", page.read_text(), re.M)]


def test_there_are_some() -> None:
    assert len(SHOWN) > 20


@pytest.mark.parametrize("line", sorted(set(SHOWN)))
def test_is_understood(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    # Help comes after the words were taken apart: an option that there is not is an error first.
    assert main([*shlex.split(line.split(" # ")[0])[1:], "--help"]) == 0, capsys.readouterr().err
    assert "Usage: jobsvalkey" in capsys.readouterr().out
