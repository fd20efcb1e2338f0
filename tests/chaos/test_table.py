"""The table of the documentation, and the file that it is made of."""

from pathlib import Path

from tests.chaos.all_kinds import KINDS
from tests.chaos.results import PAGE, Results, page_with
from tests.chaos.run import Outcome


def test_the_documentation_shows_the_results() -> None:
    assert PAGE.read_text("utf-8") == page_with(Results().table(KINDS.values())), "run `python -m tests.chaos table`"


def test_the_results_keep_what_is_promised() -> None:
    assert Results().broken(KINDS.values()) == []


def test_a_run_is_kept_and_not_made_again(tmp_path: Path) -> None:
    kind = KINDS["worker-killed"]
    path = tmp_path / "results.jsonl"
    results = Results(path)
    assert not results.has(kind, 1)
    results.add(Outcome(kind.id, 1, "a server", 10, 0, 0, 2, 0, 1.5))
    results.add(Outcome(kind.id, 2, "a server", 20, 1, 0, 0, 0, 0.5, ["lost: it"]))
    again = Results(path)
    assert [again.has(kind, seed) for seed in (1, 2, 3)] == [True, True, False]
    assert again.broken([kind]) == ["worker-killed, seed 2: lost: it"]
    assert again.table([kind]).splitlines()[-1].endswith("| 2 | 30 | 1 | 0 | 0 | 2 | 1.00 s, at most 1.50 s |")
