"""The progress of the demo: a bar on a terminal, plain lines elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

STEPS = 10
"""Lines of progress if there is no terminal."""


class Display:
    """Shows how far the jobs are, and what happens to the workers."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._next_line = 0
        self._live = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._pushed: TaskID = self._live.add_task("pushed", total=total, note="")
        self._done: TaskID = self._live.add_task("completed", total=total, note="")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Something has happened."""
        self._live.console.print(text)

    def pushed(self, number: int) -> None:
        """Show how many jobs have been pushed."""
        self._live.update(self._pushed, completed=number)

    def done(self, number: int, running: int) -> None:
        """Show how many jobs have ended, and how many run."""
        self._live.update(self._done, completed=number, note=f"{running} running")
        if not self._console.is_terminal and number >= self._next_line:
            self.say(f"{number:,} of {self._total:,} jobs completed, {running} running")
            self._next_line = number + max(1, self._total // STEPS)
