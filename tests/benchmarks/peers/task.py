"""The job: it notes that it ran. Libraries that find a job by its import path find it here."""

from tests.benchmarks.peers.journal import Journal

journal: Journal | None = None
"""Set in the worker's process before it starts."""


def note(number: int) -> None:
    """What all jobs do."""
    assert journal is not None, "only a worker runs jobs"
    journal.note(number)


async def no_op(number: int) -> None:
    """The job of a library with asyncio."""
    note(number)


def blocking_no_op(number: int) -> None:
    """The job of a library without."""
    note(number)
