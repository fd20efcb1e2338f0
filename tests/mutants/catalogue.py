# ruff: noqa: T201 - it is there to print
"""All mutants, and the tables of them that the documentation shows.

`python -m tests.mutants.catalogue` puts the tables into the page.
`python -m jobsvalkey_conformance tests.mutants.catalogue:NAME` holds one mutant against the kit.
"""

from importlib import import_module
from inspect import getdoc
from pathlib import Path
from typing import Any

from tests.mutants.mutant import MUTANTS, Mutant

CHAPTERS = (
    *(
        "push",
        "claim",
        "order",
        "settle",
        "retry",
        "repeats",
        "workers",
        "waiting",
        "concurrency",
        "races",
        "digests",
        "lives",
        "exact",
        "sizes",
        "processes",
        "threads",
        "halves",
        "precision",
        "faults",
        "behind",
    ),
    *(
        "cancel",
        "abort",
        "resume",
        "pausing",
        "metadata",
        "scheduling",
        "inspection",
        "past",
        "damage",
        "retention",
        "cleanup",
        "results",
        "unique",
        "expiry",
        "lanes",
        "limits",
        "flows",
        "batches",
        "pitfalls",
        "telling",
        "leavings",
        "refused",
        "reports",
        "activity",
        "capabilities",
        "unseen",
        "cold",
        "cold_scripts",
        "cold_again",
        "cold_twice",
        "colder",
        "attempts",
        "combined",
        "leftovers",
    ),
    "scripts",
)
"""The modules that enter mutants, in the order of the tables: one for each area of the kit, and one for Lua."""
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "proof.md"
BEGIN, END = "<!-- tables: begin -->\n", "<!-- tables: end -->\n"

for chapter in CHAPTERS:
    import_module(f"tests.mutants.{chapter}")


def __getattr__(name: str) -> Any:
    if name not in MUTANTS:
        raise AttributeError(name)
    return MUTANTS[name].harness_type


def tables() -> str:
    """The catalogue in Markdown: a heading and a table for each chapter."""
    return "\n".join(table(chapter) for chapter in CHAPTERS)


def table(chapter: str) -> str:
    """The mutants of one chapter."""
    module = import_module(f"tests.mutants.{chapter}")
    heading = (getdoc(module) or "").splitlines()[0].rstrip(".")
    rows = [row(mutant) for mutant in MUTANTS.values() if mutant.chapter == module.__name__]
    return "\n".join([f"### {heading}\n", "| mutant | its bug | killed by |", "| --- | --- | --- |", *rows, ""])


def row(mutant: Mutant) -> str:
    """The line of one mutant."""
    killers = [f"`{mutant.killer}`", *(f"the {search} alone" for search in sorted(mutant.found_by))]
    weakness = f" *(original: {mutant.weakness})*" if mutant.weakness else ""
    return f"| `{mutant.name}` | {mutant.bug}{weakness} | {', '.join(killers)} |"


def page_with(new: str) -> str:
    """The page with these tables in the place of those that it has."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{new}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page_with(tables()), "utf-8")
    print(f"{len(MUTANTS)} mutants in {PAGE.name}")
