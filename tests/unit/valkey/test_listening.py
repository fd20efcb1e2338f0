"""Pops of hints, on a channel that the test holds in its hands."""

import asyncio
from typing import Any, cast

import pytest

from jobsvalkey.contract import StoreUnavailable
from jobsvalkey.valkey import listening
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.listening import LASTING, TRIAL, Listener
from jobsvalkey.valkey.tasks import TaskSet
from tests.support.waiting import until


class Pops:
    """Answers in place of a channel: each pop as `fails` says, and without a hint."""

    def __init__(self) -> None:
        self.blocks: list[float] = []
        self.fails: set[str] = set()
        """`short` or `long`, or both."""

    async def command(self, *words: Any, patience: float, blocking: float) -> None:
        assert words == ("BLPOP", "key", f"{blocking:.3f}")
        self.blocks.append(blocking)
        if ("short" if blocking <= TRIAL else "long") in self.fails:
            raise StoreUnavailable("cut", outcome="unknown")
        await asyncio.sleep(blocking)


class Heard:
    """A listener that is always wanted, and its gaps."""

    def __init__(self, pops: Pops, tasks: TaskSet) -> None:
        self.gaps = 0
        self.listener = Listener(
            0.25,
            cast(Channel, pops),
            ["key"],
            tasks,
            "polls",
            is_wanted=lambda: True,
            on_hint=self._hint,
            on_gap=self._gap,
        )

    async def _hint(self, key: str) -> None:
        raise AssertionError(key)

    def _gap(self) -> None:
        self.gaps += 1


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(listening, "LONGEST_PAUSE", 0.002)


async def test_a_short_pop_tells_soon_that_pops_work_again() -> None:
    tasks, pops = TaskSet(), Pops()
    heard = Heard(pops, tasks)
    pops.fails = {"short", "long"}
    heard.listener.start()
    await until(lambda: len(pops.blocks) >= 3)
    assert heard.gaps == 1
    pops.fails = set()
    await until(lambda: heard.gaps == 2)
    assert set(pops.blocks[1:-1]) == {TRIAL}  # the last one may be a long one by now
    await until(lambda: len(pops.blocks) > 3 and pops.blocks[-2:] == [0.2, 0.2])
    assert heard.gaps == 2
    await tasks.aclose()


async def test_connections_that_last_for_a_moment_are_failures(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever waits looks each time, since each may have lost a hint; there is one warning."""
    tasks, pops = TaskSet(), Pops()
    heard = Heard(pops, tasks)
    pops.fails = {"long"}
    heard.listener.start()
    await until(lambda: pops.blocks.count(0.2) >= LASTING + 3)
    await tasks.aclose()
    assert pops.blocks[: 2 * LASTING] == [0.2, TRIAL] * LASTING
    assert heard.gaps >= 2 * LASTING
    assert [record.message.partition(",")[0] for record in caplog.records] == ["polls"]
