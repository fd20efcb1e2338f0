"""Is there an order of these operations in which each one answered as it should? For the history of one job.

The search is Wing and Gong's with Lowe's improvements: the history is read event by event; an operation is put in
order just in time, when its answer has to be explained; and what was reached (a state, and which open operations
are already in it) is kept in a set, so that no configuration is looked at twice. An operation that was never
answered stays open to the end: it may take effect at any later time, or never.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

MOST: Final = 200_000
"""Configurations that one search looks at, unless it is told otherwise: of right drivers they are 2,000 at most."""

State = TypeVar("State", bound=Hashable)
Action = TypeVar("Action")


@dataclass(frozen=True, slots=True)
class Step(Generic[Action]):
    """One operation of a history, between the event at which it began and the one at which its answer came."""

    action: Action
    began: int
    answered: int | None
    """`None`: it was never answered."""
    binding: bool = True
    """Whether its answer has to be explained. If not, it may have had its effect within its time, or none."""


class UndecidedError(Exception):
    """A search has looked at as many configurations as it may, and found neither an order nor that there is none."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"not decided within {limit:,} states")


Transition = Callable[[State, Action, bool], Iterable[State]]
"""The states that an action can lead to from a state with the answer it had, none if that answer is wrong.
The flag says whether the answer counts: it does not if there was none, or if the step is not binding."""


def linearizable(
    steps: Sequence[Step[Action]], initial: State, transition: Transition[State, Action], limit: int = MOST
) -> bool:
    """Whether some order of `steps` explains every answer.

    Raises:
        UndecidedError: after `limit` configurations that is not known.
    """
    return first_unexplained(steps, initial, transition, limit) is None


def first_unexplained(
    steps: Sequence[Step[Action]], initial: State, transition: Transition[State, Action], limit: int = MOST
) -> Step[Action] | None:
    """The first step, by the time of its answer, that no order of `steps` explains; `None` if one explains all.

    Raises:
        UndecidedError: after `limit` configurations that is not known.
    """
    return _Search(steps, transition, limit).first_unexplained(initial)


def shortest_explanation(
    steps: Sequence[Step[Action]], initial: State, transition: Transition[State, Action], limit: int = MOST
) -> list[Step[Action]]:
    """The few of `steps` that cannot be explained together, whatever the others did; all are needed for that.

    An operation is not just left out, since a claim without its push proves nothing: its effect stays possible,
    but its answer no longer counts. One stays if a fiftieth of `limit` does not tell whether it is needed, and all do
    that are left when `limit` configurations were looked at for this.

    Raises:
        ValueError: `steps` are linearizable.
        UndecidedError: after `limit` configurations that is not known.
    """
    broken = first_unexplained(steps, initial, transition, limit)
    if broken is None:
        raise ValueError("this history is linearizable: there is nothing to explain")
    end = broken.answered
    assert end is not None, "a step without an answer needs no explanation"
    # What was answered later is open as far as the broken answer is concerned; what began later is no part of it.
    kept = [
        step if step.answered is not None and step.answered <= end else replace(step, answered=None)
        for step in steps
        if step.began < end
    ]
    left = limit
    for index, step in enumerate(kept):
        if step.answered is None or left <= 0:
            continue
        without = [*kept[:index], replace(step, binding=False), *kept[index + 1 :]]
        search = _Search(without, transition, limit // 50)
        with suppress(UndecidedError):
            if search.first_unexplained(initial) is not None:
                kept = without
        left -= search.looked_at
    return [step for step in kept if step.binding and step.answered is not None]


def _events(steps: Sequence[Step[Action]]) -> Iterable[tuple[int, int]]:
    for index, step in enumerate(steps):
        yield step.began, index
        if step.answered is not None:
            yield step.answered, index


class _Search(Generic[State, Action]):
    """Takes configurations on by one answer. Sets of steps are bits of a number."""

    def __init__(self, steps: Sequence[Step[Action]], transition: Transition[State, Action], limit: int) -> None:
        self._limit = self._left = limit
        self._steps = steps
        self._transition = transition
        self._results: dict[tuple[State, int], list[State]] = {}
        self._open = 0

    @property
    def looked_at(self) -> int:
        """How many configurations were looked at."""
        return self._limit - self._left

    def first_unexplained(self, initial: State) -> Step[Action] | None:
        """The first step that no order explains."""
        configurations = {(initial, 0)}
        for time, index in sorted(_events(self._steps)):
            step, bit = self._steps[index], 1 << index
            if time == step.began:
                self._open |= bit
                continue
            reached = self._through(configurations, index)
            if not step.binding:
                reached |= configurations
            if not reached:
                return step
            self._open &= ~bit
            configurations = {(state, done & ~bit) for state, done in reached}
        return None

    def _through(self, configurations: set[tuple[State, int]], index: int) -> set[tuple[State, int]]:
        """All that is reached by putting open steps in order until step `index` is among them."""
        reached: set[tuple[State, int]] = set()
        seen = set(configurations)
        to_do = list(configurations)
        while to_do:
            state, done = to_do.pop()
            self._left -= 1
            if self._left < 0:
                raise UndecidedError(self._limit)
            if done >> index & 1:
                reached.add((state, done))
                continue
            for other in self._bits(self._open & ~done):
                for after in self._after(state, other):
                    if after == state and not self._counts(other):
                        continue  # The same as to leave it out.
                    configuration = (after, done | 1 << other)
                    if configuration not in seen:
                        seen.add(configuration)
                        to_do.append(configuration)
        return reached

    def _after(self, state: State, index: int) -> list[State]:
        key = (state, index)
        if key not in self._results:
            self._results[key] = list(self._transition(state, self._steps[index].action, self._counts(index)))
        return self._results[key]

    def _counts(self, index: int) -> bool:
        step = self._steps[index]
        return step.binding and step.answered is not None

    @staticmethod
    def _bits(bits: int) -> Iterable[int]:
        while bits:
            lowest = bits & -bits
            yield lowest.bit_length() - 1
            bits ^= lowest
