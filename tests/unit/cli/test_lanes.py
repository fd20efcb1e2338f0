"""`jobsvalkey lanes`: lanes and their limits."""

from datetime import timedelta

import pytest

from jobsvalkey import JobName, JobOptions, JobQueue, LaneLimit, ValkeyJobQueue
from tests.unit.cli.shell import Shell

NAME = JobName("N", int)


async def test_limits_are_set_listed_and_removed(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    assert (await shell("lanes", "limit")).out == "no limits\n"
    set_one = await shell("lanes", "limit", "customer:*", "--concurrency", "3")
    assert (set_one.code, set_one.out) == (0, "the limit of customer:* is set\n")
    assert (await shell("lanes", "limit", "b", "--rate", "100/60")).code == 0
    limits = {"b": LaneLimit(rate=(100, timedelta(minutes=1))), "customer:*": LaneLimit(concurrency=3)}
    assert await queue.lane_limits() == limits
    assert (await shell("lanes", "limit", "--json")).json == {
        "b": {"concurrency": None, "rate": "100/60"},
        "customer:*": {"concurrency": 3, "rate": None},
    }
    rows = [line.split() for line in (await shell("lanes", "limit")).out.splitlines()[1:]]
    assert rows == [["b", "100/60"], ["customer:*", "3"]]
    assert (await shell("lanes", "limit", "b", "--remove")).code == 0
    assert (await shell("lanes", "limit", "customer:*", "--remove")).code == 0
    assert await queue.lane_limits() == {}


async def test_lanes_are_listed(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    assert (await shell("lanes", "list")).out == "no lanes\n"
    await queue.push(NAME, 1, options=JobOptions(lane="a"))
    await queue.push(NAME, 1, options=JobOptions(lane="b [bold]"))
    await queue.set_lane_limit("a", LaneLimit(concurrency=2))
    assert (await shell("lanes", "list", "--json")).json == [
        {"name": "a", "pending": 1, "running": 0, "concurrency": 2, "rate": None},
        {"name": "b [bold]", "pending": 1, "running": None, "concurrency": None, "rate": None},
    ]
    assert "b [bold]" in (await shell("lanes", "list")).out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a"], "say what the limit is"),
        (["a", "--concurrency", "1", "--remove"], "say what the limit is"),
        (["--remove"], "say which lanes"),
        (["a*b", "--concurrency", "1"], "the name of a lane"),
        (["a", "--concurrency", "0"], "concurrency"),
        (["a", "--rate", "100"], "100/60"),
        (["a", "--rate", "0/60"], "a rate is of 1"),
    ],
)
async def test_what_cannot_be_is_wrong_usage(shell: Shell, words: list[str], message: str) -> None:
    failed = await shell("lanes", "limit", *words)
    assert failed.code == 2
    assert message in failed.err
