"""The guide to the queue has, in order, whatever the documentation of Swift's `JobsValkey` has, as code that runs."""

import re
from pathlib import Path

from tests.support.pages import blocks

PAGE = Path(__file__).parents[2] / "docs/guide/the-queue-on-valkey.md"
SECTIONS = {
    "Set up": "ValkeyJobQueue(",
    "Delay a job": "delay_until=",
    "Cancel a job": "await queue.cancel(",
    "Pause and resume": "await queue.resume(",
    "Retention": "retention_policy=RetentionPolicy(",
    "Cleanup": ".cleanup(",
    "Clean up on a schedule": "driver.cleanup_job",
}
"""Headings of the page, in the order of the original, and what the code below them is about."""


def test_each_section_of_the_original_has_its_counterpart() -> None:
    text = PAGE.read_text()
    headings = {match[1]: text.count("\n", 0, match.start()) for match in re.finditer(r"^#+ (.+)$", text, re.MULTILINE)}
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)
    for heading, subject in SECTIONS.items():
        end = min((line for line in headings.values() if line > headings[heading]), default=text.count("\n"))
        run = [
            block.text
            for block in blocks(text)
            if headings[heading] < block.line < end and block.language == "python" and not block.excluded
        ]
        assert any(subject in code for code in run), heading
