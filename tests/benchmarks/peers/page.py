"""What is said of a comparison: all of it is made from the samples, so that it is true of the next one too."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.benchmarks.peers.all import MODULES, peer_named
from tests.benchmarks.peers.columns import COLUMNS
from tests.benchmarks.peers.record import Record, median, percentile
from tests.benchmarks.peers.tables import OURS, costs, named, others, situations, speeds, starts
from tests.support.speed_plots import PAGE, PLOTS, draw, read_table

BEGIN: Final = "<!-- what was measured: made by tests.benchmarks.compare -->\n"
END: Final = "<!-- end of what was measured -->\n"
SAMPLES: Final = "speed.json"


def report(record: Record) -> str:
    """Write all that was measured, in Markdown."""
    machine = record.content["machine"]
    about = (
        f"On {record.content['date']}, on a machine with {machine['processors']} processors ({machine['model']}, "
        f"{machine['system']}), with Python {machine['python']} and {record.content['server'].replace(',', '')}. The "
        f"load of the machine was {record.content['load']:.2f} when it began. The figures are medians of "
        f"{_rounds(record)}, for latencies of all samples. The ratio is to jobsvalkey in the same run: above 1 is "
        f"faster for jobs per second, slower for times. All samples are in [{SAMPLES}]({SAMPLES}).\n"
    )
    picture = (
        "![The same numbers as bars, a panel each for pushes one by one, bulk pushes, the drain, and the time from "
        f"push to start]({PLOTS[0].picture})\n"
    )
    parts = [
        about,
        speeds(record),
        picture,
        "".join(f"- {line}\n" for line in _in_words(record)),
    ]
    if any(column in record.samples for column in ("push_thread", "push_uvloop", "drain_2_processes")):
        parts += ["### Threads, another event loop, several processes\n", others(record)]
    if "first_claim" in record.samples or "help" in record.samples:
        parts += ["### How long a start takes\n", starts(record)]
    parts += ["### What a job costs the server\n", costs(record)]
    if "situation" in record.samples:
        parts += [
            f"{PLOTS[1].heading}\n",
            "Each is a queue of jobsvalkey; the ratio is to the plain one, above 1 is more.\n",
            situations(record),
            f"![The same numbers as bars, a panel each for bulk pushes and the drain]({PLOTS[1].picture})\n",
        ]
    parts += ["### How each queue was set\n", _settings(record)]
    if record.failures:
        parts += [
            "### What failed\n",
            "".join(f"- {name}, {COLUMNS[column].title}: {failure}\n" for column, name, failure in record.failures),
        ]
    return "\n".join(part for part in parts if part)


def publish(record: Record, page: Path = PAGE) -> None:
    """Put the report in its place on the page, with its pictures and its samples beside.

    Raises:
        ValueError: there is no such place.
    """
    before, begun, rest = page.read_text().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"{page} has no lines {BEGIN.strip()!r} and {END.strip()!r}")
    text = f"{before}{BEGIN}\n{report(record)}\n{END}{after}"
    page.write_text(text)
    for plot in PLOTS:
        if f"({plot.picture})" in text:
            page.with_name(plot.picture).write_text(draw(read_table(text, plot), plot))
    page.with_name(SAMPLES).write_text(json.dumps(record.content, separators=(",", ":")) + "\n")


def _rounds(record: Record) -> str:
    numbers = {len(rounds) for peers in record.samples.values() for rounds in peers.values()}
    least, most = min(numbers, default=0), max(numbers, default=0)
    return f"{most} rounds" if least == most else f"{least} to {most} rounds"


def _in_words(record: Record) -> Iterator[str]:
    """Say who is first, and by how much, in each column of the first table."""
    for column in ("push", "bulk", "drain_16", "drain_100", "start"):
        is_time = column == "start"
        found: dict[str, float] = {}
        for name in record.samples.get(column, ()):
            value = (
                percentile(record.samples, column, name, 50)
                if is_time
                else median(record.samples, column, name, "rate")
            )
            if value:
                found[name] = value
        if len(found) < 2 or OURS not in found:
            continue
        ranked = sorted(found, key=lambda name: found[name], reverse=not is_time)
        place = ranked.index(OURS) + 1
        first, second = ranked[:2]
        factor = found[second] / found[first] if is_time else found[first] / found[second]
        title = COLUMNS[column].title.capitalize()
        if place == 1:
            yield f"{title}: jobsvalkey is the fastest, {factor:.1f} times as fast as the next, {second}."
        else:
            behind = found[OURS] / found[first] if is_time else found[first] / found[OURS]
            yield f"{title}: {first} is the fastest, {behind:.1f} times as fast as jobsvalkey, which is number {place}."


def _settings(record: Record) -> str:
    lines = ["| | releases | bulk push | worker |", "| --- | --- | --- | --- |"]
    for name in (name for name in MODULES if name in record.versions):
        peer = peer_named(name)
        lines.append(f"| {named(record, name)} | {record.versions[name]} | {peer.bulk} | {peer.worker} |")
    return re.sub(r"$", "\n", "\n".join(lines))
