"""The list of what holds that what is not used costs nothing."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"^# Not used, it costs nothing\.\n(?:@.*\n)*(?:async )?def (\w+)", re.M)


def test_the_page_lists_the_tests_that_are_marked() -> None:
    page = (ROOT / "docs/explanation/proof.md").read_text("utf-8")
    section = page.partition("## What is not used costs nothing\n")[2].partition("\n## ")[0]
    marked = [name for file in (ROOT / "tests").rglob("test_*.py") for name in MARK.findall(file.read_text("utf-8"))]
    assert sorted(re.findall(r"^\| `(test_\w+)`", section, re.M)) == sorted(marked)
