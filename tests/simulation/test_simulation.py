"""Simulations hold: on seeds of all kinds, replayed exactly, and with bugs that they have to find."""

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.simulation.bugs import BUGS, MOST_SEEDS, Bug, found_bugs
from tests.simulation.run import simulate
from tests.simulation.settings import draw

BY_DAY = 50
BY_NIGHT = 200


def check(seeds: Sequence[int]) -> None:
    failed = {f"python -m tests.simulation {seed}": error for seed in seeds if (error := simulate(seed).error)}
    assert failed == {}


@pytest.mark.parametrize("first", range(0, BY_DAY, 10))
def test_no_promise_is_broken(first: int) -> None:
    check(range(first, first + 10))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(BY_DAY, BY_NIGHT, 25))
def test_no_promise_is_broken_in_many_simulations(first: int) -> None:
    check(range(first, first + 25))


def test_the_seeds_of_the_day_are_of_all_kinds() -> None:
    drawn = [draw(seed) for seed in range(BY_DAY)]
    for feature in ("is_calm", "deaths", "stalls", "outages", "forgets", "blocks", "schedules"):
        assert {getattr(each, feature) for each in drawn} == {True, False}
    assert {each.queues for each in drawn} == {each.hosts for each in drawn} == {1, 2, 3}


def test_a_seed_replays_exactly_in_another_process() -> None:
    seeds = [seed for seed in range(BY_DAY) if draw(seed).deaths or draw(seed).stalls][:2]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    for seed in seeds:
        command = [sys.executable, "-m", "tests.simulation", str(seed)]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
        replayed = simulate(seed, details=True)
        assert shown.splitlines()[: len(replayed.trace)] == replayed.trace
        assert f"digest {simulate(seed).digest}\nall is well\n" in shown


def test_a_seed_that_fails_tells_the_command_that_replays_it() -> None:
    bug = next(each for each in BUGS if each.name == "a worker closes although handlers run")
    with bug.planted():
        outcome = next(outcome for seed in range(100) if (outcome := simulate(seed)).error)
        again = simulate(outcome.settings.seed)
        with pytest.raises(AssertionError, match=f"python -m tests.simulation {outcome.settings.seed}'"):
            check([outcome.settings.seed])
    assert (again.error, again.digest) == (outcome.error, outcome.digest)
    assert "ends its claim" in str(outcome.error)
    assert simulate(outcome.settings.seed).error is None


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_lines_of_each_bug_are_there(bug: Bug) -> None:
    with bug.planted():
        pass


def test_each_bug_was_found() -> None:
    found = found_bugs()
    assert set(found) == {bug.name for bug in BUGS}
    assert all(each["seeds"] <= MOST_SEEDS for each in found.values())
    assert len(found) >= 20


@pytest.mark.night
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_bug_is_found(bug: Bug) -> None:
    with bug.planted():
        assert any(simulate(seed).error for seed in range(MOST_SEEDS))
