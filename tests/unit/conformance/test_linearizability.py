"""The search for a linearization, on registers whose histories are made by hand."""

from collections.abc import Iterator

import pytest
from jobsvalkey_conformance.history.linearizability import (
    Step,
    UndecidedError,
    first_unexplained,
    linearizable,
    shortest_explanation,
)

Action = tuple[str, int]


def register(state: int, action: Action, answer_counts: bool) -> Iterator[int]:
    """A register that holds a number: `write` sets it, `read` answers it."""
    what, value = action
    if what == "write":
        yield value
    elif not answer_counts or value == state:
        yield state


def step(what: str, value: int, began: int, answered: int | None) -> Step[Action]:
    return Step((what, value), began, answered)


def test_one_after_the_other() -> None:
    assert linearizable([step("write", 1, 0, 1), step("read", 1, 2, 3)], 0, register)
    assert not linearizable([step("write", 1, 0, 1), step("read", 0, 2, 3)], 0, register)


@pytest.mark.parametrize("seen", [0, 1])
def test_what_overlaps_may_go_either_way(seen: int) -> None:
    assert linearizable([step("write", 1, 0, 3), step("read", seen, 1, 2)], 0, register)


def test_overlapping_reads_may_not_go_back() -> None:
    write = step("write", 1, 0, 9)
    assert linearizable([write, step("read", 0, 1, 2), step("read", 1, 3, 4)], 0, register)
    assert not linearizable([write, step("read", 1, 1, 2), step("read", 0, 3, 4)], 0, register)


def test_three_writes_at_once_are_put_in_the_order_that_the_reads_show() -> None:
    writes = [step("write", value, value, 20 + value) for value in (1, 2, 3)]
    reads = [step("read", value, 5 + 2 * place, 6 + 2 * place) for place, value in enumerate((2, 3, 1))]
    assert linearizable([*writes, *reads], 0, register)
    again = step("read", 2, 11, 12)
    assert first_unexplained([*writes, *reads, again], 0, register) == again


@pytest.mark.parametrize("seen", [[0, 0], [0, 1], [1, 1]])
def test_an_unanswered_step_takes_effect_at_any_later_time_or_never(seen: list[int]) -> None:
    reads = [step("read", value, 10 * place + 5, 10 * place + 6) for place, value in enumerate(seen)]
    assert linearizable([step("write", 1, 0, None), *reads], 0, register)


def test_an_unanswered_step_takes_effect_once() -> None:
    steps = [step("write", 1, 0, None), step("read", 1, 1, 2), step("write", 0, 3, 4), step("read", 1, 5, 6)]
    assert not linearizable(steps, 0, register)


def test_an_unanswered_step_has_no_effect_before_it_began() -> None:
    assert not linearizable([step("read", 1, 0, 1), step("write", 1, 2, None)], 0, register)


def test_many_unanswered_steps_do_not_make_the_search_explode() -> None:
    writes = [step("write", value, value, None) for value in range(12)]
    reads = [step("read", value, 100 + value, 101 + value) for value in range(0, 12, 2)]
    assert linearizable([*writes, *reads], 0, register)


def test_the_first_unexplained_step_is_the_one_whose_answer_came_first() -> None:
    wrong = step("read", 5, 2, 3)
    assert first_unexplained([step("read", 7, 4, 5), wrong], 0, register) == wrong
    assert first_unexplained([], 0, register) is None


def test_the_explanation_is_what_is_needed_and_no_more() -> None:
    write, wrong = step("write", 2, 10, 11), step("read", 1, 12, 13)
    noise = [step("write", 1, 0, 1), step("read", 1, 2, 3), step("read", 2, 20, 21), step("write", 3, 22, 23)]
    assert shortest_explanation([*noise, write, wrong], 0, register) == [write, wrong]


def test_the_explanation_does_not_leave_out_what_would_explain() -> None:
    # Without the write any read of 1 would be wrong: that is no explanation of what is wrong here.
    steps = [step("write", 1, 0, 1), step("read", 1, 2, 3), step("write", 2, 4, 5), step("read", 1, 6, 7)]
    assert shortest_explanation(steps, 0, register) == steps[2:]


def test_there_is_nothing_to_explain_where_all_is_well() -> None:
    with pytest.raises(ValueError, match="nothing to explain"):
        shortest_explanation([step("read", 0, 0, 1)], 0, register)


def test_a_search_ends_undecided_after_so_many_states() -> None:
    """Thirty writes at once, of which any set may have come before the read: without a limit it would take for ever."""
    writes = [step("write", number, 0, 99) for number in range(30)]
    wrong = step("read", 31, 1, 98)
    with pytest.raises(UndecidedError, match=r"^not decided within 1,000 states$"):
        linearizable([*writes, wrong], 0, register, 1000)
    with pytest.raises(UndecidedError):
        shortest_explanation([*writes, wrong], 0, register, 1000)


def test_what_is_not_known_to_be_needless_stays_in_the_explanation() -> None:
    writes = [step("write", number, 0, 97) for number in range(1, 5)]
    wrong = step("read", 31, 1, 98)
    assert shortest_explanation([*writes, wrong], 0, register, 10_000) == [wrong]
    assert shortest_explanation([*writes, wrong], 0, register, 100) == [*writes, wrong]
