"""The plots of speed show what the tables say."""

import re

from tests.support.speed_plots import PAGE, PLOTS, draw, read_table

MEASURES = [measure for measure, _ in PLOTS[0].panels]


def test_the_pictures_are_those_of_the_tables() -> None:
    """`python -m tests.support.speed_plots` makes them anew."""
    page = PAGE.read_text()
    shown = [plot for plot in PLOTS if f"({plot.picture})" in page]
    assert PLOTS[0] in shown
    for plot in shown:
        assert PAGE.with_name(plot.picture).read_text() == draw(read_table(page, plot), plot)


def test_the_table_is_read_as_it_stands() -> None:
    page = PAGE.read_text()
    table = read_table(page)
    section = page.partition("## What was measured")[2].partition("\n#")[0]
    names = re.findall(r"^\| ([a-zA-Z]+ [0-9.]+) \|", section, re.MULTILINE)
    assert len(names) >= 8
    assert list(table) == MEASURES
    for measure, numbers in table.items():
        assert [name for name in names if name in numbers] == list(numbers)
        assert names[0] in numbers
        row = next(line for line in section.splitlines() if line.startswith(f"| {names[0]} |"))
        assert f"{numbers[names[0]]:,.2f}".removesuffix(".00") in row, measure


def test_bars_are_as_long_as_the_numbers_say() -> None:
    table = {measure: {"ours": 200.0, "<other>": 100.0} for measure in MEASURES}
    picture = draw(table)
    widths = [float(width) for width in re.findall(r'class="(?:ours|bar)" .*? width="([0-9.]+)"', picture)]
    assert widths[0] == 2 * widths[1] == widths[2]
    assert "&lt;other&gt;" in picture
    assert "<other>" not in picture
