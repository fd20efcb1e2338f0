# ruff: noqa: T201 - it is there to print
"""How soon a broken driver ends the kit.

`python -m tests.mutants.soon` runs the kit with `-x` on mutants of the twin that are chosen by chance, most of them the
same each time, and prints what each run took, from the start of Python on. Bytecode is kept, as it is unless Python is
told otherwise; the run that writes it is not counted.
"""

import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.mutants.catalogue import MUTANTS
from tests.support.harnesses import MemoryHarness

ROOT = Path(__file__).parents[2]
CHOSEN = 15


def main() -> None:
    """Run them and print the medians."""
    of_the_twin = [name for name, mutant in MUTANTS.items() if issubclass(mutant.harness_type, MemoryHarness)]
    names = sorted(of_the_twin, key=lambda name: hashlib.sha256(name.encode()).digest())[:CHOSEN]
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as bytecode:
        took(f"tests.mutants.catalogue:{names[0]}", bytecode)
        times = [took(f"tests.mutants.catalogue:{name}", bytecode) for name in names]
    for name, (seconds, processor, killer) in zip(names, times, strict=True):
        print(f"{name:<32} {seconds:>6.1f} s, of processor time {processor:>5.1f} s  {killer}")
    by_clock = sorted(seconds for seconds, _, _ in times)
    by_processor = sorted(processor for _, processor, _ in times)
    print(
        f"median {statistics.median(by_clock):.1f} s, of processor time {statistics.median(by_processor):.1f} s; "
        f"at most {by_clock[-1]:.1f} s, of processor time {by_processor[-1]:.1f} s"
    )


def took(harness: str, bytecode: str) -> tuple[float, float, str]:
    """Run the kit on a harness to its first failure: seconds, seconds of the processor, and the test that failed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began, before = time.monotonic(), os.times()
    done = subprocess.run(
        [sys.executable, "-m", "jobsvalkey_conformance", harness, "-x"],
        cwd=ROOT,
        env=environment | {"PYTHONPYCACHEPREFIX": bytecode},
        capture_output=True,
        text=True,
    )
    seconds, after = time.monotonic() - began, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return seconds, processor, failed[0].removeprefix("FAILED ") if failed else "it lives"


if __name__ == "__main__":
    main()
