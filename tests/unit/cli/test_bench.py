"""`jobsvalkey bench`, with so little work that its numbers mean nothing."""

import pytest
from valkey.asyncio import Valkey

from jobsvalkey.cli.benchmarks import idle, rates
from tests.unit.cli.shell import Shell, keys_of


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little work."""
    for name, number in (("ONE_BY_ONE", 5), ("AT_ONCE", 5), ("MANY", 40), ("MANY_AT_ONCE", 20)):
        monkeypatch.setattr(rates, name, number)
    for name, number in (("SAMPLES", 5), ("WATCH", 2.0), ("SETTLE", 0.2)):
        monkeypatch.setattr(idle, name, number)


@pytest.mark.usefixtures("little")
async def test_measures_everything_and_leaves_nothing_behind(shell: Shell, valkey_client: Valkey) -> None:
    done = await shell("bench", "--rounds", "2", "--json", queue=False)
    assert done.code == 0, done
    lines = done.json
    assert [line["goal"] for line in lines if line["goal"]] == [
        "≥ 0.5",
        "≥ 3",
        "≥ 8",
        "≥ 3",
        "≥ 0.6",
        "< 2",
        "≤ 2",
        "0",
    ]
    assert all(line["met"] is not None for line in lines if line["goal"])
    assert all(line["value"] > 0 for line in lines if "writes" not in line["name"])
    (writes,) = [line for line in lines if "writes" in line["name"]]
    assert writes["value"] == 0
    assert await keys_of(valkey_client, "jobsvalkey-bench-") == []


@pytest.mark.usefixtures("little")
async def test_prints_the_goal_beside_each_ratio(shell: Shell) -> None:
    table = (await shell("bench", "--rounds", "1", queue=False)).out
    (line,) = [line for line in table.splitlines() if line.startswith("push_many")]
    assert "SET one by one (bare client)" in line
    assert "≥ 8" in line
    assert line.rstrip().endswith(("met", "MISSED"))


@pytest.mark.usefixtures("little")
async def test_the_server_sees_what_an_idle_worker_writes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the rest before the watch, the worker is seen to open: the count of writes is not blind.
    monkeypatch.setattr(idle, "SETTLE", 0.0)
    lines = (await shell("bench", "--rounds", "1", "--json", queue=False)).json
    (writes,) = [line for line in lines if "writes" in line["name"]]
    assert writes["value"] > 0
    assert writes["met"] is False
