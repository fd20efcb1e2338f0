"""The sentences of the contract's page, each of which has to have tests."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "contract.md"
END = re.compile(r"(?<=[.:!?])\s+(?=[A-Z`*\[])")
"""Between two sentences: what follows a stop and begins anew."""
MARKER = re.compile(r"^(?:- |\d+\. )")


def sentences() -> list[tuple[str, str]]:
    """All sentences, each with the heading that it stands under; of a row of a table its parts."""
    found: list[tuple[str, str]] = []
    heading = ""
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line and not line.startswith("!"):
            found += [(heading, sentence) for sentence in _of_row(line) if sentence]
    return found


def _of_row(line: str) -> Iterator[str]:
    if not line.startswith("|"):
        yield from END.split(MARKER.sub("", line))
        return
    cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    if set(line) <= set("|- ") or cells[0] in ("operation", "capability"):
        return
    yield " | ".join(cells[:3])
    yield from (f"{cells[0]}, otherwise | {part}" for part in "".join(cells[3:]).split("; "))
