"""The kit kills every mutant, and says which test did; it lets a driver without a bug live."""

from collections import Counter
from collections.abc import Callable

import pytest
from jobsvalkey_conformance.history.area import check_history
from jobsvalkey_conformance.machine.area import run_machine

from tests.mutants.catalogue import PAGE, page_with, tables
from tests.mutants.conftest import KILLED, Jury
from tests.mutants.mutant import MUTANTS, Mutant, Search
from tests.mutants.scripts import ScriptHarness, pattern, scripts_with
from tests.support.harnesses import MemoryHarness

LATER = {Search.HISTORIES: pytest.mark.slow, Search.MACHINE: pytest.mark.night}
Record = Callable[[str, object], None]
BY_DAY = {
    *("push", "claim", "settle", "retry", "order", "workers", "repeats", "waiting", "cancel", "faults", "retention"),
    *("scripts", "races", "concurrency", "unseen", "cleanup", "inspection", "scheduling", "metadata", "capabilities"),
}
"""The chapters of the catalogue that every run has; those of single features, and of sizes, are left to `-m slow`."""
by_name = pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(mutant, marks=[] if mutant.chapter.rpartition(".")[2] in BY_DAY else [pytest.mark.slow])
        for mutant in MUTANTS.values()
    ],
    ids=lambda mutant: mutant.name,
)
QUICKLY_FOUND = {Search.MACHINE: ("LimitIgnored", "TokenIgnored"), Search.HISTORIES: ("LimitIgnored", "LastInFirstOut")}
"""What every run looks for: each of these is found within a second."""
searches = pytest.mark.parametrize(
    ("mutant", "how"),
    [
        pytest.param(mutant, how, marks=() if mutant.name in QUICKLY_FOUND[how] else LATER[how])
        for mutant in MUTANTS.values()
        for how in sorted(mutant.found_by)
    ],
    ids=lambda part: part.name if isinstance(part, Mutant) else str(part),
)


@by_name
def test_killed(mutant: Mutant, jury: Jury, record_property: Record) -> None:
    verdict = jury.verdict(mutant).result()
    assert verdict.errors == []
    killers = [test for test in verdict.failed if test.startswith(mutant.killer)]
    assert killers, f"{mutant.killer} lets it live; what fails of its area: {list(verdict.failed)}"
    others = len(verdict.failed) - 1
    record_property(KILLED, f"{mutant.name:<28} {killers[0]}" + (f" and {others} more" if others else ""))


@searches
def test_found_without_a_test_for_it(mutant: Mutant, how: Search, jury: Jury, record_property: Record) -> None:
    found = jury.finding(mutant, how).result()
    assert found, f"the {how} finds nothing"
    record_property(KILLED, f"{mutant.name:<28} the {how}: {found.splitlines()[0][:80]}")


# All runs of the tests hold both against the whole kit as well, with more patience.
@pytest.mark.slow
@pytest.mark.parametrize("harness", ["MemoryHarness", "ValkeyHarness"])
def test_a_driver_without_a_bug_lives(harness: str, jury: Jury) -> None:
    asked = sorted({mutant.selection for mutant in MUTANTS.values()})
    verdict = jury.judge(f"tests.support.harnesses:{harness}", " or ".join(asked)).result()
    assert verdict.failed == {}
    assert verdict.errors == []
    assert len(verdict.passed) > 300


def test_a_selection_of_nothing_is_an_error(jury: Jury) -> None:
    for selection, why in (("test_life_of_nobody", "NO_TESTS_COLLECTED"), ("test_life[two words]", "USAGE_ERROR")):
        with pytest.raises(LookupError, match=why):
            jury.judge("tests.support.harnesses:MemoryHarness", selection).result()


def test_the_machine_finds_nothing_where_nothing_is() -> None:
    assert run_machine(MemoryHarness, examples=40, steps=40) > 500


async def test_histories_find_nothing_where_nothing_is() -> None:
    for seed in range(10):
        await check_history(MemoryHarness, seed, calls=200)


def test_waking_the_whole_fleet_is_a_warning(jury: Jury) -> None:
    selection = "test_wait_one_job_should_not_wake_the_fleet"
    verdict = jury.judge("tests.mutants.waiting:HintWakesAllHarness", selection).result()
    assert verdict.failed == {}
    assert verdict.warnings == ["one push woke every idle worker"]


def test_each_line_that_is_replaced_is_there_once() -> None:
    for mutant in MUTANTS.values():
        if issubclass(mutant.harness_type, ScriptHarness):
            counts = [
                sum(len(pattern(mutant.harness_type.line).findall(source)) for source in script.sources)
                for script in scripts_with(mutant.harness_type.line, mutant.harness_type.only)
            ]
            assert counts, mutant.name
            assert set(counts) == {1}, mutant.name


def test_the_catalogue_is_large_and_says_what_each_bug_is() -> None:
    assert len(MUTANTS) >= 40
    assert [bug for bug, count in Counter(mutant.bug for mutant in MUTANTS.values()).items() if count > 1] == []
    assert {how for mutant in MUTANTS.values() for how in mutant.found_by} == set(Search)


def test_the_documentation_shows_the_catalogue() -> None:
    assert PAGE.read_text("utf-8") == page_with(tables()), "run `python -m tests.mutants.catalogue`"
