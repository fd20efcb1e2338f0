"""Short words for what a push answers."""

from collections.abc import Iterable

from jobsvalkey.contract import Pushed, StoreOutcome

STORED = StoreOutcome.STORED
DUPLICATE = StoreOutcome.DUPLICATE


def outcomes(answer: Iterable[Pushed]) -> list[StoreOutcome]:
    """What became of each job of a push."""
    return [pushed.outcome for pushed in answer]
