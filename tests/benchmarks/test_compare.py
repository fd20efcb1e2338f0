"""The comparison with other queues: what is kept of it, and what is shown. What a peer does is tried by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.peers.all import MODULES, peer_named
from tests.benchmarks.peers.columns import COLUMNS
from tests.benchmarks.peers.environments import environment, versions
from tests.benchmarks.peers.page import BEGIN, END, publish, report
from tests.benchmarks.peers.plan import Size
from tests.benchmarks.peers.record import Record, median, percentile
from tests.benchmarks.peers.tables import costs, situations, speeds
from tests.support.speed_plots import PAGE, PLOTS, read_table

SERVER = "Valkey, 9.1"
COST = {"server_us": 12.34, "commands": 5.0, "bytes": 600.0}
PAGE_BEFORE = f"""# Speed

## What was measured

{BEGIN}
| old | table |

{END}
## What it does not say

| kept |
"""


@pytest.fixture
def record(tmp_path: Path) -> Record:
    found = Record(tmp_path / "speed.json", Size(), SERVER, {"jobsvalkey": "jobsvalkey 1.2", "huey": "huey 3, redis 8"})
    for number, rate in enumerate((100.0, 300.0, 200.0), start=1):
        for column in ("push", "bulk", "drain_100"):
            found.add(column, "jobsvalkey", number, {"rate": rate, **COST})
            found.add(column, "huey", number, {"rate": rate / 2, **COST})
        found.add("situation", "plain", number, {"rate": rate, "push_rate": rate, "server_us": 1, "push_server_us": 2})
        found.add("situation", "100 lanes", number, {"rate": rate / 4, "push_rate": rate, "server_us": 3})
        found.add("start", "jobsvalkey", number, {"waits": [0.001, 0.002, 0.003]})
        found.add("start", "huey", number, {"waits": [0.002, 0.004, 0.006]})
    return found


@pytest.mark.parametrize("name", MODULES)
def test_each_queue_is_known_without_being_installed(name: str) -> None:
    peer = peer_named(name)
    assert peer.name == name
    assert peer.requirements
    assert peer.bulk
    assert peer.worker


def test_our_environment_is_the_one_that_compares(tmp_path: Path) -> None:
    assert environment("jobsvalkey", tmp_path) == Path(sys.executable)
    assert versions("jobsvalkey", Path(sys.executable)).startswith("jobsvalkey ")


def test_a_comparison_goes_on_where_it_was_stopped(tmp_path: Path, record: Record) -> None:
    assert record.has("push", "huey", 3)
    assert not record.has("push", "huey", 4)
    again = Record(tmp_path / "speed.json", Size(), SERVER, {"huey": "huey 3, redis 8", "SAQ": "saq 0.26"})
    assert again.has("push", "huey", 3)
    assert not again.has("push", "SAQ", 1)
    assert again.samples == record.samples
    assert again.versions == {**record.versions, "SAQ": "saq 0.26"}


def test_who_failed_takes_no_part_in_further_rounds(record: Record) -> None:
    record.add("drain_16", "huey", 1, {"failure": "it hung"})
    assert record.has("drain_16", "huey", 2)
    assert not record.has("drain_16", "jobsvalkey", 2)
    assert record.failures == [("drain_16", "huey", "it hung")]
    assert "- huey, drain of 16: it hung\n" in report(record)


def test_what_failed_is_tried_once_more_when_the_comparison_goes_on(tmp_path: Path, record: Record) -> None:
    record.add("drain_16", "huey", 1, {"failure": "it hung"})
    again = Record(tmp_path / "speed.json", Size(), SERVER, {"huey": "huey 3, redis 8"})
    assert not again.has("drain_16", "huey", 1)
    assert again.has("push", "huey", 1)
    assert again.failures == []


@pytest.mark.parametrize(
    ("size", "server", "release", "what"),
    [
        (Size(drained=5), SERVER, "huey 3, redis 8", "size"),
        (Size(), "Redis, 8", "huey 3, redis 8", "server"),
        (Size(), SERVER, "huey 4, redis 8", "release"),
    ],
)
@pytest.mark.usefixtures("record")
def test_samples_of_something_else_are_not_mixed_in(
    tmp_path: Path, size: Size, server: str, release: str, what: str
) -> None:
    with pytest.raises(ValueError, match=f"is of another {what}: give another file, or remove it"):
        Record(tmp_path / "speed.json", size, server, {"huey": release})


def test_medians_and_percentiles_are_over_all_rounds(record: Record) -> None:
    assert median(record.samples, "push", "jobsvalkey", "rate") == 200
    assert percentile(record.samples, "start", "huey", 50) == 0.004
    assert percentile(record.samples, "start", "SAQ", 50) is None
    assert median(record.samples, "push", "SAQ", "rate") is None


def test_the_tables_name_releases_and_have_the_ratio_to_ours(record: Record) -> None:
    ours, theirs = speeds(record).splitlines()[2:]
    assert ours == "| jobsvalkey 1.2 | 200 | 1.00 | 200 | 1.00 | 200 | 1.00 | 2.00 | 1.00 | 3.00 |"
    assert theirs == "| huey 3 | 100 | 0.50 | 100 | 0.50 | 100 | 0.50 | 4.00 | 2.00 | 6.00 |"
    assert costs(record).splitlines()[2].startswith("| jobsvalkey 1.2 | 12.3 | 5.0 | 600 |")


def test_situations_have_the_ratio_to_the_plain_one(record: Record) -> None:
    plain, lanes = situations(record).splitlines()[2:]
    assert plain == "| plain | 200 | 1.00 | 200 | 1.00 | 2.0 | 1.00 | 1.0 | 1.00 |"
    assert lanes == "| 100 lanes | 200 | 1.00 | 50 | 0.25 | - | - | 3.0 | 3.00 |"


def test_the_words_say_who_is_first(record: Record) -> None:
    assert "- Drain: jobsvalkey is the fastest, 2.0 times as fast as the next, huey.\n" in report(record)
    for number in (1, 2, 3):
        record.add("start", "huey", number, {"waits": [0.0005]})
    line = "- Push to start: huey is the fastest, 4.0 times as fast as jobsvalkey, which is number 2.\n"
    assert line in report(record)


def test_the_page_gets_the_report_and_the_pictures(tmp_path: Path, record: Record) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE_BEFORE)
    publish(record, page)
    publish(record, page)
    text = page.read_text()
    assert "old" not in text
    assert text.count("### What a job costs the server\n") == 1
    assert text.endswith("## What it does not say\n\n| kept |\n")
    assert read_table(text)["drain"] == {"jobsvalkey 1.2": 200, "huey 3": 100}
    assert read_table(text, PLOTS[1])["drain"] == {"plain": 200, "100 lanes": 50}
    assert "huey 3" in (tmp_path / PLOTS[0].picture).read_text()
    assert "100 lanes" in (tmp_path / PLOTS[1].picture).read_text()
    assert json.loads((tmp_path / "speed.json").read_text())["samples"] == record.samples


def test_a_page_without_a_place_for_them_is_an_error(tmp_path: Path, record: Record) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Speed\n")
    with pytest.raises(ValueError, match="has no lines '<!-- what was measured"):
        publish(record, page)


def test_the_page_has_the_place_and_tells_the_sizes() -> None:
    page, size = PAGE.read_text(), Size()
    assert BEGIN in page.partition(END)[0]
    for number in (size.one_by_one, size.bulk, size.drained, size.filled):
        assert f"{number:,}" in page


@pytest.mark.parametrize("name", COLUMNS)
def test_each_column_is_measured_of_ours(name: str) -> None:
    assert {"jobsvalkey", "plain"} & set(COLUMNS[name].names)


@pytest.mark.slow
def test_one_command_compares_ours_with_nobody(tmp_path: Path) -> None:
    """With so little work that its numbers mean nothing."""
    file = tmp_path / "speed.json"
    command = [sys.executable, "-m", "tests.benchmarks.compare", file, "--peers", "jobsvalkey", "--rounds", "1"]
    words = [
        *command,
        "--size",
        "0.002",
        "--columns",
        "push",
        "push_threads",
        "drain_2_processes",
        "start",
        "situation",
    ]
    words += ["help", "first_claim", "drain_uvloop"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    samples = json.loads(file.read_text())["samples"]
    (push,), (drain,), (start,) = (
        samples[column]["jobsvalkey"].values() for column in ("push_threads", "drain_2_processes", "start")
    )
    assert push["rate"] > 0
    assert push["commands"] >= 3
    assert drain["server_us"] >= 0
    assert len(start["waits"]) == 2
    assert set(samples["situation"]) == set(COLUMNS["situation"].names)
    assert all(samples[column]["jobsvalkey"]["1"]["waits"] for column in ("help", "first_claim"))
