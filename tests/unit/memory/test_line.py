"""The line that jobs stand in: it must be a sorted list, and cheaper than one."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from jobsvalkey.contract import JobID
from jobsvalkey_memory.line import Line, Place

START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_a_sorted_list(seed: int) -> None:
    random, line, model = Random(seed), Line(), list[Place]()
    for step in range(6000):
        if model and random.random() < (0.2 if step < 4000 else 0.9):
            old = model.pop(random.randrange(len(model)))
            line.remove(old)
        else:
            new = (START + timedelta(seconds=random.randrange(50)), JobID(int=random.getrandbits(128)))
            model.append(new)
            line.add(new)
        if step % 500 == 0:
            model.sort()
            assert (list(line), list(reversed(line)), len(line)) == (model, model[::-1], len(model))
            for index in {0, len(model) // 2, len(model) - 1}:
                assert line.after(model[index]) == len(model) - 1 - index
    while model:
        line.remove(model.pop())
    assert (list(line), len(line)) == ([], 0)


def test_no_part_grows_long() -> None:
    line = Line()
    for number in range(5000):
        line.add((START, JobID(int=number)))
    assert max(len(part) for part in line._parts) <= 1000  # pyright: ignore[reportPrivateUsage]
