"""`jobsvalkey bench`, with so little work that its numbers mean nothing."""

import asyncio
import signal
from pathlib import Path
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey
from valkey.exceptions import ResponseError

from jobsvalkey.cli.benchmarks import idle, rates, several
from jobsvalkey.cli.benchmarks.measures import DRAIN, MEASURES, MORE
from jobsvalkey.cli.benchmarks.store import NoOp, open_store
from jobsvalkey.cli.benchmarks.verdict import verdict, verdict_on_growth
from jobsvalkey.cli.benchmarks.watch import Rate, Watch
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.runtime import JobQueue
from tests.support.programs import program
from tests.support.servers import Server
from tests.support.waiting import until
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
    assert all(line["commands"] > 0 and line["bytes"] > 0 for line in costs)
    assert [line["name"] for line in lines if line["verdict"]] == [measure.name for measure in MEASURES if measure.kind]
    assert all(line["value"] > 0 for line in lines if "writes" not in line["name"])
    (writes,) = [line for line in lines if "writes" in line["name"]]
    assert writes["value"] == 0
    assert await keys_of(valkey_client, "jobsvalkey-bench-") == []


@pytest.mark.usefixtures("little")
async def test_measures_several_processes_more_features_and_a_full_queue(shell: Shell, valkey_client: Valkey) -> None:
    done = await shell("bench", "--rounds", "1", "--all", "--beside", "90", "--json", queue=False)
    assert done.code == 0, done
    lines = {line["name"]: line for line in done.json}
    more = [measure.name for measure in MORE]
    assert list(lines)[len(MEASURES) : len(MEASURES) + len(more) + 2] == [
        *more,
        "push_many beside 90 jobs",
        "drain beside 90 jobs",
    ]
    for name in (*more, "drain beside 90 jobs"):
        assert lines[name]["against"] == DRAIN
        assert lines[name]["client_us"] > 0
    assert "Beside 90 jobs each costs the server" in lines["drain beside 90 jobs"]["verdict"]
    assert await keys_of(valkey_client, "jobsvalkey-bench-") == []


@pytest.mark.usefixtures("little")
async def test_processes_of_a_drain_end_with_it(default_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it ends: here, one job is missing."""
    processes = list[Any]()
    start: Any = asyncio.create_subprocess_exec

    async def note(*words: Any, **options: Any) -> Any:
        processes.append(await start(*words, **options))
        return processes[-1]

    async def one_less(queue: JobQueue[Any], _options: object = None) -> None:
        await queue.push_many([NoOp(number) for number in range(rates.MANY - 1)])

    monkeypatch.setattr(asyncio, "create_subprocess_exec", note)
    monkeypatch.setattr(rates, "fill_with_jobs", one_less)
    async with open_store(default_server.url) as store:
        with pytest.raises(CommandFailed, match="39 jobs ran of 40: these numbers would say nothing"):
            await several.drain_of_two(store)
    assert [process.returncode is not None for process in processes] == [True, True]


LITTLE_BEFORE = """
import sys
from jobsvalkey.cli.benchmarks import idle, measures
from jobsvalkey.cli.main import main
measures.MEASURES, idle.SAMPLES, idle.WATCH, idle.SETTLE = (), 5, 0.2, 0.0
sys.exit(main())
"""


async def test_ctrl_c_removes_what_a_queue_was_filled_with(
    valkey_client: Valkey, default_server: Server, tmp_path: Path
) -> None:
    async def is_filling() -> bool:
        return len(await keys_of(valkey_client, "jobsvalkey-bench-")) > 3_000

    words = ("-c", LITTLE_BEFORE, "bench", "--rounds", "1", "--beside", "1000000")
    async with program(tmp_path, *words, JOBSVALKEY_URL=default_server.url) as process:
        await until(is_filling)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 1
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


def test_of_several_processes_each_has_a_part_of_the_time() -> None:
    said = verdict("drain", "drain", Rate(50_000, 30, 9), processes=2)
    assert said.startswith("drain: 20.0 µs each, of which Python 15.0, the server 9.0,")


@pytest.mark.parametrize(
    ("full", "allocator", "said"),
    [
        (Rate(1, 1, 12), "libc", "1.20 times as much as beside none: its size does not matter here."),
        (Rate(1, 1, 15), "libc", "1.50 times as much as beside none; it allocates memory with libc, and one that is"),
        (Rate(1, 1, 15), "jemalloc-5.3.0", "beside none: its data has outgrown the caches of its processor."),
        (Rate(1, 1, None), "libc", "The server does not tell what a job costs it beside 1,000 others."),
    ],
)
def test_a_verdict_says_whether_the_size_of_a_queue_matters(full: Rate, allocator: str, said: str) -> None:
    assert said in verdict_on_growth(1000, Rate(1, 1, 10), full, allocator)


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
