from datetime import timedelta

import pytest

from jobsvalkey import ExponentialJitter, NoRetry


def test_four_attempts_by_default() -> None:
    strategy = ExponentialJitter()
    assert [strategy.should_retry(attempt, None) for attempt in range(1, 6)] == [True, True, True, False, False]


def test_the_delay_doubles_up_to_its_bound() -> None:
    strategy = ExponentialJitter(min_jitter=0, max_jitter=0)
    delays = [strategy.delay(attempt).total_seconds() for attempt in range(1, 9)]
    assert delays == [2, 4, 8, 16, 32, 64, 120, 120]
    assert strategy.delay(10_000) == timedelta(seconds=120)


def test_the_jitter_stays_within_its_bounds_and_varies() -> None:
    strategy = ExponentialJitter(min_jitter=-0.5, max_jitter=0.5)
    delays = {strategy.delay(3).total_seconds() for _ in range(1000)}
    assert 4 <= min(delays) < 5
    assert 11 < max(delays) <= 12


def test_no_retry() -> None:
    assert not NoRetry().should_retry(1, RuntimeError())


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_backoff": timedelta(seconds=-1)},
        {"min_jitter": -1.5},
        {"min_jitter": 0.5, "max_jitter": 0.25},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ExponentialJitter(**wrong)  # type: ignore[arg-type]
