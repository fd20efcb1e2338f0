"""`jobsvalkey bench`, with so little work that its numbers mean nothing."""

from typing import Any, cast

import pytest
from valkey.asyncio import Valkey
from valkey.exceptions import ResponseError

from jobsvalkey.cli.benchmarks import idle, rates
from jobsvalkey.cli.benchmarks.measures import MEASURES
from jobsvalkey.cli.benchmarks.verdict import verdict
from jobsvalkey.cli.benchmarks.watch import Rate, Watch
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
        *("≥ 0.5", "≥ 3", "≥ 8", "≥ 3", "≥ 0.6", "≥ 0.6"),
        *("≤ 2", "≤ 4", "≤ 0.25", "≤ 0.6", "≤ 2", "≤ 0"),
    ]
    assert all(line["met"] is not None for line in lines if line["goal"])
    costs = [line for line in lines if line["client_us"] is not None]
    assert len(costs) == len(MEASURES)
    assert all(line["client_us"] > 0 and line["server_us"] >= 0 for line in costs)
    assert [line["name"] for line in lines if line["verdict"]] == [measure.name for measure in MEASURES if measure.kind]
    assert all(line["value"] > 0 for line in lines if "writes" not in line["name"])
    (writes,) = [line for line in lines if "writes" in line["name"]]
    assert writes["value"] == 0
    assert await keys_of(valkey_client, "jobsvalkey-bench-") == []


@pytest.mark.usefixtures("little")
async def test_prints_the_goal_beside_each_ratio_and_the_verdicts(shell: Shell) -> None:
    table = (await shell("bench", "--rounds", "1", "--uvloop", queue=False)).out
    (line,) = [line for line in table.splitlines() if line.startswith("push_many ")]
    assert "SET one by one (bare client)" in line
    assert "≥ 8" in line
    assert line.rstrip().endswith(("met", "MISSED"))
    assert table.count(" bounds it; ") == 3


@pytest.mark.parametrize(
    ("rate", "bound"),
    [
        (Rate(10_000, 60, 30), "So Python bounds it; more processes push more."),
        (Rate(10_000, 30, 60), "So the server bounds it; push_many costs the server less for each job."),
        (Rate(10_000, 20, 30), "So the network, and waking up, bounds it; push_many, or many pushes at once, share"),
        (Rate(10_000, 200, 30), "the network and waking up 0.0. So Python bounds it"),
        (Rate(10_000, 20, None), "100.0 µs each, of which Python 20.0; the server does not tell its part."),
    ],
)
def test_the_verdict_names_what_takes_longest(rate: Rate, bound: str) -> None:
    assert bound in verdict("push", "push", rate)


async def test_a_watch_tells_what_both_sides_have_spent(valkey_client: Valkey) -> None:
    async with Watch(valkey_client) as watch:
        for _ in range(200):
            await cast(Any, valkey_client).ping()
    rate = watch.rate(200)
    assert 0 < rate.client_us < 1e6 / rate.per_second * 2
    assert rate.server_us is not None
    assert 0 < rate.server_us < 1e6 / rate.per_second


async def test_a_server_that_does_not_tell_is_left_out() -> None:
    class Mute:
        async def info(self, section: str) -> dict[str, float]:
            raise ResponseError(f"no permission: {section}")

    async with Watch(cast(Any, Mute())) as watch:
        pass
    assert watch.rate(1).server_us is None


@pytest.mark.usefixtures("little")
async def test_the_server_sees_what_an_idle_worker_writes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the rest before the watch, the worker is seen to open: the count of writes is not blind.
    monkeypatch.setattr(idle, "SETTLE", 0.0)
    lines = (await shell("bench", "--rounds", "1", "--json", queue=False)).json
    (writes,) = [line for line in lines if "writes" in line["name"]]
    assert writes["value"] > 0
    assert writes["met"] is False
