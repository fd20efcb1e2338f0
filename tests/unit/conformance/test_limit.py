"""How long a test may take: less once others have hung, but never less than one took that did not."""

import asyncio

import pytest
from jobsvalkey_conformance.limit import Hanging, limited, seconds_for
from jobsvalkey_conformance.settings import TEST_SECONDS

from tests.support.virtual_time import VirtualLoop, run_virtually


async def takes(subject: object, seconds: float) -> None:
    async with limited(subject):
        await asyncio.sleep(seconds)


async def hangs(subject: object) -> None:
    with pytest.raises(Hanging):
        await takes(subject, 1e6)


def test_the_limit_is_shorter_once_others_have_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TEST_SECONDS, "60")

    async def main(_: VirtualLoop) -> list[float]:
        subject, found = object(), list[float]()
        for _number in range(5):
            found.append(seconds_for(subject))
            await hangs(subject)
        return found

    assert run_virtually(main) == [60, 20, 5, 2, 2]


def test_the_limit_is_no_shorter_than_a_test_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TEST_SECONDS, "60")

    async def main(_: VirtualLoop) -> tuple[float, float]:
        subject, other = object(), object()
        await takes(subject, 7)
        await takes(subject, 1)
        for _number in range(4):
            await hangs(subject)
            await hangs(other)
        return seconds_for(subject), seconds_for(other)

    assert run_virtually(main) == (7, 2)


def test_the_limit_is_not_longer_than_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(_: VirtualLoop) -> float:
        subject = object()
        await takes(subject, 7)
        monkeypatch.setenv(TEST_SECONDS, "0.5")
        return seconds_for(subject)

    assert run_virtually(main) == 0.5
