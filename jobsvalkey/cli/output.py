"""Printing: tables for people, JSON for programs. Whatever is printed is safe for a terminal."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from jobsvalkey.cli.terminal import shown, shown_json, shown_lines
from jobsvalkey.runtime import JobRecord

if TYPE_CHECKING:
    from rich.console import Console

# rich is imported where it is used: it takes a while, and a worker prints nothing by it.

UNLIMITED = 10_000
"""Columns."""


def console(*, stderr: bool = False) -> "Console":
    """Return the console that a command prints to. Brackets and colons in what it prints are no markup.

    A pipe or a file gets lines as long as they are.
    """
    from rich.console import Console

    out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, stderr=stderr)
    if not out.is_terminal:
        out.width = UNLIMITED
    return out


def say(text: str, *, stderr: bool = False) -> None:
    """Print one line."""
    console(stderr=stderr).print(shown(text))


def print_lines(text: str) -> None:
    """Print a text that has line breaks of its own."""
    console().print(shown_lines(text), end="")


def print_json(value: Any) -> None:
    """Print one JSON document."""
    console().print(shown_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print a table; the columns named by `right` hold numbers. Nothing is cut."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    console().print(table, soft_wrap=False)


def print_fields(rows: Iterable[tuple[str, object]]) -> None:
    """Print names, each with its value."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(shown(name), plain(value))
    console().print(table, soft_wrap=False)


def plain(cell: object) -> str:
    """Return a value as a cell of a table."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}"
    return shown(str(cell))


def as_json(record: JobRecord) -> dict[str, Any]:
    """Return a job for `print_json`."""
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__}
    fields["id"] = str(record.id)
    fields["after"] = [str(parent) for parent in record.after]
    fields["ended_parents"] = {str(parent): status for parent, status in record.ended_parents.items()}
    fields["batch"] = None if record.batch is None else str(record.batch)
    if record.parameters is not None:
        fields["parameters"] = msgspec.Raw(record.parameters.encode())
    if record.result is not None:
        fields["result"] = msgspec.Raw(record.result.encode())
    return fields
