"""Every kind of fault, many times.

`python -m tests.chaos run [RUNS [KIND…]]` makes so many runs of each kind, 20 if it is not said, and keeps them in
`results.jsonl`; those that are there are not made again, so that it can be stopped at any time. A kind whose name ends
as `KIND@3` is run with that seed alone, and not kept: to see a failure again. `python -m tests.chaos table` puts the
figures into the documentation.
"""

import asyncio
import json
import sys
import traceback
from dataclasses import asdict

from tests.chaos.all_kinds import KINDS
from tests.chaos.crew import CrewProcess
from tests.chaos.results import PAGE, Results, page_with
from tests.chaos.run import run


def make(runs: int, names: list[str]) -> int:
    """Make what is missing; 1 if a promise was broken."""
    results = Results()
    kinds = [KINDS[name] for name in names or KINDS if KINDS[name].is_possible]
    unfinished: list[str] = []
    with CrewProcess() as process:
        for seed in range(runs):
            for kind in kinds:
                if not results.has(kind, seed):
                    try:
                        results.add(asyncio.run(run(kind, seed, process)))
                    except Exception:
                        traceback.print_exc()  # it is made anew the next time
                        unfinished.append(f"{kind.id}, seed {seed}: it came to no end")
    broken = [*unfinished, *results.broken(kinds)]
    sys.stdout.write("\n".join([results.table(kinds), *broken, ""]))
    return bool(broken)


def see(name: str, seed: int) -> int:
    """Make one run, and show all of it."""
    with CrewProcess() as process:
        outcome = asyncio.run(run(KINDS[name], seed, process))
    sys.stdout.write(json.dumps(asdict(outcome), indent=1) + "\n")
    return bool(outcome.wrong)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["table"]:
            PAGE.write_text(page_with(Results().table(KINDS.values())), "utf-8")
        case ["run", name] if "@" in name:
            kind, _, seed = name.partition("@")
            return see(kind, int(seed))
        case ["run", *more]:
            return make(int(more[0]) if more else 20, more[1:])
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
