"""The plots of speed show what the table says."""

import re

from tests.support.speed_plots import PAGE, PICTURE, draw, read_table


def test_the_picture_is_that_of_the_table() -> None:
    """`python -m tests.support.speed_plots` makes it anew."""
    page = PAGE.read_text()
    assert PICTURE.read_text() == draw(read_table(page))
    assert f"({PICTURE.name})" in page


def test_the_table_is_read_as_it_stands() -> None:
    table = read_table(PAGE.read_text())
    names = re.findall(r"^\| ([a-zA-Z]+ [0-9.]+) \|", PAGE.read_text(), re.MULTILINE)
    assert len(names) >= 10
    assert {measure: list(numbers) for measure, numbers in table.items()} == dict.fromkeys(
        ("push", "bulk push", "drain", "push to start"), names
    )
    for measure, numbers in table.items():
        row = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| {names[0]} |"))
        assert f"{numbers[names[0]]:,.2f}".removesuffix(".00") in row, measure


def test_bars_are_as_long_as_the_numbers_say() -> None:
    table = {measure: {"ours": 200.0, "<other>": 100.0} for measure in ("push", "bulk push", "drain", "push to start")}
    picture = draw(table)
    widths = [float(width) for width in re.findall(r'class="(?:ours|bar)" .*? width="([0-9.]+)"', picture)]
    assert widths[0] == 2 * widths[1] == widths[2]
    assert "&lt;other&gt;" in picture
    assert "<other>" not in picture
