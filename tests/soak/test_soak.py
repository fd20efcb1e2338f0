"""A small soak, and what the large one has found."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.soak.__main__ import read
from tests.soak.soak import as_line, end, soaking
from tests.soak.verdict import verdict

RESULTS = Path(__file__).parent / "results.jsonl"


def line(jobs: int, **changes: Any) -> dict[str, Any]:
    same = {
        "server_memory": 100,
        "worker_memory": 100,
        "worker_files": 9,
        "worker_tasks": 9,
        "connections": 9,
        "keys": 9,
    }
    return {"part": 1, "jobs": jobs, "lost": 0, "lanes": [], "faults": {}, **same, **changes}


def left(**changes: Any) -> dict[str, Any]:
    return {"part": 1, "exit_codes": [0, 0], "connections": 0, "keys": [], "sizes": [], "faults": [], **changes}


FLAT = [line(number) for number in range(8)]


def test_what_is_flat_is_well() -> None:
    assert verdict([*FLAT, left()])[1] == []


@pytest.mark.parametrize(
    "lines",
    [
        [*FLAT, line(8, lost=1)],
        [*FLAT, line(8, lanes=["mail*0"])],
        [*FLAT, *(line(number, server_memory=111) for number in range(8, 12))],
        [*FLAT, *(line(number, worker_memory=89) for number in range(8, 12))],
        [line(number, worker_tasks=number) for number in range(8)],
        [line(number, keys=100 + number) for number in range(8)],
        [*FLAT, left(exit_codes=[0, -9])],
        [*FLAT, left(connections=1)],
        [*FLAT, left(keys=["soak.completed"], sizes=[80])],
        [*FLAT, left(keys=["soak.metadata._turns"], sizes=[5000])],
        [*FLAT, left(faults=["a job in two states"])],
    ],
    ids=["lost", "lanes", "server", "worker", "tasks", "keys", "exit", "connection", "key", "large", "validate"],
)
def test_what_is_wrong_is_told(lines: list[dict[str, Any]]) -> None:
    assert verdict(lines)[1]


def test_the_large_soak_was_well() -> None:
    lines = read(RESULTS)
    found, wrong = verdict(lines)
    assert wrong == []
    assert max(each["jobs"] for each in lines if "jobs" in each) >= 500_000
    assert "with nothing left behind" in found[-1]


@pytest.mark.slow
async def test_a_small_soak(start_server: StartServer) -> None:
    server = start_server()
    async with soaking(server) as soak:
        samples = [as_line(await soak.round(seed, 1500, 1500 * seed)) for seed in range(2)]
        lines = [{"part": 1, **each} for each in (*samples, as_line(await end(soak, server)))]
    # Too few rounds to say what is flat: lost jobs and what is left behind are what a small one shows.
    assert [each["lost"] for each in samples] == [0, 0]
    assert sum(sum(each["faults"].values()) for each in samples) > 0
    assert [each for each in verdict(lines)[1] if "left" in each] == []
