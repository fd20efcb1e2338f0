"""Plots of the tables of speeds in the documentation; `python -m tests.support.speed_plots` makes them anew."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import takewhile
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "speed.md"

_WIDTH, _NAME, _NUMBER, _ROW, _HEAD = 640, 140, 70, 18, 34
_STYLE = """
.back { fill: #fff } text { fill: #1b1f24; font: 12px system-ui, sans-serif } .title { font-weight: 600 }
.number { text-anchor: end; font-variant-numeric: tabular-nums } .bar { fill: #6e7781 } .ours { fill: #2f6fde }
@media (prefers-color-scheme: dark) {
.back { fill: #131416 } text { fill: #e6edf3 } .bar { fill: #9da7b1 } .ours { fill: #6ea8fe } }
"""


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of the first table below a heading."""

    picture: str
    heading: str
    panels: Sequence[tuple[str, str]]
    """What each shows: the column, and its title."""


PLOTS = (
    Plot(
        "speed.svg",
        "## What was measured",
        (
            ("push", "Pushes one by one, jobs a second: longer is better"),
            ("bulk push", "Pushes in the fastest way, jobs a second: longer is better"),
            ("drain", "Jobs run by one worker, a second: longer is better"),
            (
                "push to start",
                "From a push to the start of its job, median in ms, on a logarithmic scale: shorter is better",
            ),
        ),
    ),
    Plot(
        "speed-situations.svg",
        "### Features in use, and many jobs",
        (
            ("bulk push", "Pushes of 1,000 jobs a call, jobs a second"),
            ("drain", "Jobs run by one worker process, a second"),
        ),
    ),
)


def read_table(page: str, plot: Plot = PLOTS[0]) -> dict[str, dict[str, float]]:
    """For each measure, the numbers of the queues, as the table of the page has them."""
    below = page.partition(f"{plot.heading}\n")[2].splitlines()
    from_table = below[next(number for number, line in enumerate(below) if line.startswith("|")) :]
    lines = list(takewhile(lambda line: line.startswith("|"), from_table))
    columns = [cell.strip().partition(",")[0] for cell in lines[0].strip("|").split("|")]
    found = dict[str, dict[str, float]]()
    for line in lines[2:]:
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        for measure, _ in plot.panels:
            if number := re.sub("[^0-9.]", "", cells[columns.index(measure) - 1]):
                found.setdefault(measure, {})[name] = float(number)
    return found


def draw(table: dict[str, dict[str, float]], plot: Plot = PLOTS[0]) -> str:
    """Draw horizontal bars, a panel for each measure."""
    height = sum(_HEAD + _ROW * len(numbers) for numbers in table.values()) + 10
    words = "; ".join(f"{title}: {_in_words(table[measure])}" for measure, title in plot.panels)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
            f"<title>{escape(words)}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="back" width="{_WIDTH}" height="{height}"/>',
            *_panels(table, plot),
            "</svg>\n",
        ]
    )


def _panels(table: dict[str, dict[str, float]], plot: Plot) -> Iterator[str]:
    top = 0
    for measure, title in plot.panels:
        numbers = table[measure]
        yield f'<text class="title" x="8" y="{top + 22}">{escape(title)}</text>'
        longest = _WIDTH - _NAME - _NUMBER - 16
        for row, (name, number) in enumerate(numbers.items()):
            y = top + _HEAD + _ROW * row
            kind = "ours" if row == 0 else "bar"
            length = max(1.0, longest * _share(number, numbers.values(), is_time=measure == "push to start"))
            shown = f"{number:,.2f}" if measure == "push to start" else f"{number:,.0f}"
            yield f'<text x="8" y="{y + 11}">{escape(name)}</text>'
            yield f'<rect class="{kind}" x="{_NAME}" y="{y + 1}" width="{length:.1f}" height="{_ROW - 5}" rx="2"/>'
            yield f'<text class="number" x="{_WIDTH - 8}" y="{y + 11}">{shown}</text>'
        top += _HEAD + _ROW * len(numbers)


def _share(number: float, numbers: Iterable[float], *, is_time: bool) -> float:
    most = max(numbers)
    return math.log10(1 + number) / math.log10(1 + most) if is_time else number / most


def _in_words(numbers: dict[str, float]) -> str:
    return ", ".join(f"{name} {number:,.6g}" for name, number in numbers.items())


if __name__ == "__main__":
    for each in PLOTS:
        if f"({each.picture})" in PAGE.read_text():
            PAGE.with_name(each.picture).write_text(draw(read_table(PAGE.read_text(), each), each))
