"""The steps of the machine: methods, with what they may be called with."""

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from jobsvalkey.contract import Capability

Arguments = dict[str, Any]
STEPS: dict[str, st.SearchStrategy[Arguments]] = {}
"""The steps by name, with what they may be called with."""
CHOICE: list[str] = []
"""The names of the steps, some more often than others."""
NEEDS: dict[str, frozenset[Capability]] = {}
"""The capabilities that a step is about."""
WHEN: dict[str, Callable[[Any], bool]] = {}
"""Whether a step has something to act on, as the machine is."""
F = TypeVar("F", bound=Callable[..., None])


def _always(machine: Any) -> bool:
    return True


def step(
    *needs: Capability, often: int = 1, when: Callable[[Any], bool] = _always, **arguments: st.SearchStrategy[Any]
) -> Callable[[F], F]:
    """Make a method a step, which is chosen `often` times as often as others, `when` it can do something.

    All steps are one rule to Hypothesis. It switches most rules off in most examples, which suits machines whose
    rules have little to do with each other: here a job has to be pushed, claimed and settled for much to happen.
    """

    def note(method: F) -> F:
        name = method.__name__
        STEPS[name], NEEDS[name] = st.fixed_dictionaries(arguments), frozenset(needs)
        WHEN[name] = when
        CHOICE.extend([name] * often)
        return method

    return note
