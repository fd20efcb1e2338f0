"""What the lines of a soak say."""

from collections import Counter
from statistics import median
from typing import Any

from tests.soak.work import QUEUE_KEY

BAND = 0.05
"""By how much the memory of the last quarter of a part may be off that of the quarter before.

What the server holds for each connection is not counted, for how many there are at a look says which worker has just
been killed: in 50 looks these buffers went from 0.1 to 0.9 MB, of 3.4 in all. Compared are the medians, since a
single look meets tables that are about to grow or to shrink, and a stream that is trimmed a block at a time.
"""
OWN = {
    **{f"{QUEUE_KEY}.metadata.{name}": 500 for name in ("_layout", "_turns", "_limits")},
    f"{QUEUE_KEY}.metadata._ended": 1_000_000,
}
"""What a queue keeps about itself once it has been used, and how many bytes at most: its layout, its turns, that its
lanes have had limits, and a stream of bounded length that tells of ends."""
TOLD_EARLY = -15
"""The exit code of a worker that was told to stop before it had begun, as the one may be that faults happen to."""


def verdict(lines: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Sum up; what is wrong comes second."""
    rounds = [line for line in lines if "jobs" in line]
    ends = [line for line in lines if "exit_codes" in line]
    wrong: list[str] = []
    lost = sum(line["lost"] for line in rounds)
    faults = sum((Counter[str](line["faults"]) for line in rounds), Counter[str]())
    found = [f"{max((line['jobs'] for line in rounds), default=0):,} jobs in {len(rounds)} rounds, {lost} lost"]
    found.append(f"faults: {', '.join(f'{kind} {number}' for kind, number in sorted(faults.items()))}")
    if lost:
        wrong.append(f"{lost} jobs are lost")
    if lines_left := sorted({name for line in rounds for name in line["lanes"]}):
        wrong.append(f"lines are listed, and have no jobs: {lines_left}")
    for part in sorted({line["part"] for line in rounds}):
        mine = [line for line in rounds if line["part"] == part]
        half = mine[len(mine) // 2 :]
        for name in ("server_memory", "worker_memory"):
            values = [line[name] for line in half]
            before, after = median(values[: len(values) // 2] or values), median(values[len(values) // 2 :])
            off = after / before - 1
            text = f"part {part}: {name} {after / 1e6:.1f} MB, {off:+.1%} over its last {len(half)} rounds"
            found.append(f"{text}, single looks from {min(values) / 1e6:.1f} to {max(values) / 1e6:.1f} MB")
            if abs(off) > BAND:
                wrong.append(f"part {part}: {name} is not flat: {values}")
        for name in ("worker_files", "worker_tasks", "connections", "keys"):
            values = [line[name] for line in half]
            found.append(f"part {part}: {name} {min(values)} to {max(values)}")
            # Grown for good is what the last rounds have and no earlier one had.
            third = max(1, len(half) // 3)
            if min(values[-third:]) > max(values[:-third] or values):
                wrong.append(f"part {part}: {name} grows: {values}")
    for line in ends:
        keys = [key for key, size in zip(line["keys"], line["sizes"], strict=True) if size > OWN.get(key, 0)]
        steady, victim = line["exit_codes"]
        if steady or victim not in (0, TOLD_EARLY) or line["connections"] or keys or line["faults"]:
            wrong.append(f"part {line['part']} has left {line['exit_codes']}, {keys}, {line['connections']}")
    found.append(f"{len(ends)} parts came to their end, with nothing left behind" if ends and not wrong else "")
    return [line for line in found if line], wrong
