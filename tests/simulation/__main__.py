"""Runs simulations: `python -m tests.simulation 17` replays one with its trace, `0:10000` runs many.

`bugs` looks how many seeds each planted bug takes to be found, up to 2,000, and writes `tests/simulation/bugs.json`.
What is there already is not looked for again.
"""

# ruff: noqa: T201 - it is a program
import argparse
import datetime
import json
import sys
import time
from importlib.metadata import version

from tests.simulation.bugs import BUGS, FOUND, MOST_SEEDS, found_bugs
from tests.simulation.run import simulate


def main() -> int:
    """Run what the command line asks for; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", help="a seed, whose trace is shown, FIRST:END, or `bugs`")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first that fails")
    parser.add_argument("--digests", action="store_true", help="show the digest of each trace")
    given = parser.parse_args()
    if given.seeds == "bugs":
        return find_bugs()
    if ":" not in given.seeds:
        outcome = simulate(int(given.seeds), details=True)
        print(*outcome.trace, outcome.settings, f"digest {outcome.digest}", sep="\n")
        print(outcome.error or "all is well")
        return outcome.error is not None
    first, end = map(int, given.seeds.split(":"))
    seed, failed, began = first, 0, time.process_time()
    for seed in range(first, end):
        outcome = simulate(seed)
        if given.digests:
            print(seed, outcome.digest)
        if outcome.error is not None:
            failed += 1
            print(f"{outcome.error}\n  python -m tests.simulation {seed}", flush=True)
            if not given.keep_going:
                break
        if (seed + 1 - first) % 500 == 0:
            print(f"{seed + 1 - first} seeds, {failed} failed", flush=True)
    print(f"{seed + 1 - first} seeds, {failed} failed, {time.process_time() - began:.0f} s of processor time")
    return failed > 0


def find_bugs() -> int:
    """Look for all that are planted; 1 if one was not found."""
    for bug in BUGS:
        known = found_bugs()
        if bug.name in known:
            continue
        with bug.planted():
            seed = next((seed for seed in range(MOST_SEEDS) if simulate(seed).error), None)
        seeds = None if seed is None else seed + 1
        at = datetime.datetime.now(datetime.UTC).date().isoformat()
        known = {**found_bugs(), bug.name: {"seeds": seeds, "version": version("jobsvalkey"), "at": at}}
        FOUND.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        print(f"{bug.name}: {'not found' if seed is None else seed + 1}", flush=True)
    return any(each["seeds"] is None for each in found_bugs().values())


if __name__ == "__main__":
    sys.exit(main())
