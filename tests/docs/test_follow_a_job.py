"""The page that follows a job through the code names files and functions that are there."""

import re
from pathlib import Path

import pytest

from jobsvalkey import JobStatus

ROOT = Path(__file__).parents[2]
EXPLANATION = ROOT / "docs" / "explanation"
PAGE = (EXPLANATION / "follow-a-job.md").read_text()
NAMED = re.findall(r"`([\w.]+)`(?: and then `([\w.]+)`)? in `([\w/.]+)`", PAGE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(\w+/[\w/.]+)`", PAGE))))
def test_the_file_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("name", "path"), [(name, path) for *names, path in NAMED for name in names if name])
def test_the_function_is_there(name: str, path: str) -> None:
    text = (ROOT / path).read_text()
    for part in name.split("."):
        assert re.search(rf"^ *(?:async def|def|class|local function) {part}\b", text, re.MULTILINE), part


def test_the_page_names_enough_to_be_checked() -> None:
    assert len(NAMED) > 20


def test_the_picture_shows_every_state() -> None:
    shown = re.findall(r"<text[^>]*>(\w+)</text>", (EXPLANATION / "states.svg").read_text())
    assert {str(status) for status in JobStatus} - set(shown) == set()
