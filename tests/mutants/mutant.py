"""What a mutant is, and how one is entered in the catalogue."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from inspect import getdoc
from typing import TypeVar

from jobsvalkey_conformance import DriverHarness

from jobsvalkey.contract import Clock, DriverConfiguration, QueueDriver, SystemClock
from jobsvalkey_memory import MemoryJobQueue
from tests.support.harnesses import AskingTwice, MemoryHarness

Twin = MemoryJobQueue[Clock]


class Search(StrEnum):
    """A part of the kit that looks for bugs by itself, without a test that was written for one."""

    MACHINE = "machine"
    HISTORIES = "histories"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A driver with one bug, and what the kit must say about it."""

    name: str
    bug: str
    killer: str
    """The test of the kit that has to fail; others of its area may fail, too."""
    harness_type: type[DriverHarness]
    chapter: str
    """The module that it is in."""
    weakness: int | None = None
    """Which weakness of the original it is."""
    found_by: frozenset[Search] = frozenset()
    """Each of these has to find it alone."""

    @property
    def area(self) -> str:
        """The area of the killer."""
        return self.killer.split("_")[1]

    @property
    def selection(self) -> str:
        """What of the kit is run, as for `-k`, which takes no spaces: each word has to be in the name."""
        return " and ".join(word for word in self.killer.split() if word not in ("and", "or", "not"))


MUTANTS: dict[str, Mutant] = {}
"""The catalogue, by name; it is whole once `tests.mutants.catalogue` is imported."""
T = TypeVar("T", bound=type[Twin])


def enter(mutant: Mutant) -> None:
    """Put a mutant into the catalogue."""
    assert mutant.name not in MUTANTS, mutant.name
    MUTANTS[mutant.name] = mutant


def mutant(
    killer: str,
    *,
    weakness: int | None = None,
    found_by: Iterable[Search] = (),
    chapter: str | None = None,
) -> Callable[[T], T]:
    """Enter a twin with a bug; its docstring says which. Its chapter is its module, where nothing else is said."""

    def note(twin_type: T) -> T:
        bug = getdoc(twin_type)
        assert bug is not None
        enter(
            Mutant(
                name=twin_type.__name__,
                bug=bug.splitlines()[0],
                killer=killer,
                harness_type=harness_of(twin_type),
                chapter=chapter or twin_type.__module__,
                weakness=weakness,
                found_by=frozenset(found_by),
            )
        )
        return twin_type

    return note


def harness_of(twin_type: type[Twin]) -> type[DriverHarness]:
    """The twin's harness, back door and lost replies included, for a twin with a bug."""
    # What asks again comes first, so that a repeat meets the bug as well.
    driver_type = type(twin_type.__name__, (AskingTwice, twin_type), {})

    class Harness(MemoryHarness):
        def make_driver(
            self, configuration: DriverConfiguration, clock: Clock | None
        ) -> AbstractAsyncContextManager[QueueDriver]:
            return driver_type(configuration, clock or SystemClock(), self.store, self.replies)

    return Harness
