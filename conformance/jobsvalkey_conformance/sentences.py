"""The sentences of the contract, and the tests that hold a driver to each: what a test that fails has shown broken."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

LIST = Path(__file__).with_name("sentences.md")
ARROW = "  → "


def entries() -> Iterator[tuple[str, str, str]]:
    """Each heading, sentence, and what is said of it: its tests, or why it promises nothing."""
    heading = sentence = ""
    for line in LIST.read_text("utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("- "):
            sentence = line[2:]
        elif line.startswith(ARROW):
            yield heading, sentence, line.removeprefix(ARROW)


def named_in(said: str) -> list[str]:
    """The tests among what is said of a sentence."""
    return re.findall(r"`([^`]+)`", said)


@cache
def _by_test() -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for _, sentence, said in entries():
        for test in named_in(said):
            found.setdefault(test, []).append(sentence)
    return found


def sentences_of(test: str) -> list[str]:
    """The sentences that a test of the suite is about, by its name, with or without its parameters."""
    return list(_by_test().get(test.partition("[")[0], ()))
