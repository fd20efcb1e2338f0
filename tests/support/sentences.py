"""The sentences of the contract's page, each of which has to have tests.

`python -m tests.support.sentences` brings the kit's list into the order of the page: what is new there has a question
mark in place of its tests, and what the page does not say any more is gone.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from jobsvalkey_conformance.sentences import ARROW, LIST, entries

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "contract.md"
END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*\[])")
"""Between two sentences: what follows a stop and begins anew."""
MISSING = "?"
MARKER = re.compile(r"^(?:- |\d+\. )")
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def sentences() -> list[tuple[str, str]]:
    """All sentences, each with the heading that it stands under; of a row of a table its parts."""
    found: list[tuple[str, str]] = []
    heading = ""
    for line in LINK.sub(r"\1", PAGE.read_text("utf-8")).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line and not line.startswith("!"):
            found += [(heading, sentence) for sentence in _of_line(line)]
    return found


def _of_line(line: str) -> Iterator[str]:
    if not line.startswith("|"):
        yield from END.split(MARKER.sub("", line))
        return
    name, *cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    if set(line) <= set("|- ") or name in ("operation", "capability"):
        return
    otherwise = cells[2].split("; ") if len(cells) > 2 else []
    yield from (f"{name}: {text}" for text in (" → ".join(cells[:2]), *(f"otherwise: {part}" for part in otherwise)))


def list_with(tests: dict[tuple[str, str], str]) -> str:
    """The list of the kit as it has to be: all sentences, each with what is said of it, or with a question mark."""
    head = LIST.read_text("utf-8").partition("\n## ")[0].rstrip()
    lines = [head]
    heading = ""
    for sentence in sentences():
        if sentence[0] != heading:
            heading = sentence[0]
            lines.append(f"\n## {heading}\n")
        lines.append(f"- {sentence[1]}\n{ARROW}{tests.get(sentence, MISSING)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    LIST.write_text(list_with({(heading, sentence): said for heading, sentence, said in entries()}), "utf-8")
