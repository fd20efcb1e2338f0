"""When a job that failed is tried again."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from jobsvalkey.contract.option_types import check_types


class RetryStrategy(Protocol):
    """Decides whether a failed job is tried again, and when. Attempts count from 1."""

    def should_retry(self, attempt: int, error: BaseException | None) -> bool:
        """Return whether another attempt follows this one.

        `error` is `None` when the library only wants to know `is_last_attempt`. A strategy that cannot tell without the
        error may raise any exception: then the attempt does not count as the last one.
        """
        ...

    def delay(self, attempt: int) -> timedelta:
        """Return the time from the failure of this attempt to the next one."""
        ...


def check_strategy(name: str, strategy: Any) -> None:
    """Check that `strategy` has the methods of a retry strategy.

    Raises:
        TypeError: it cannot.
    """
    asked = [getattr(strategy, method, None) for method in ("should_retry", "delay")]
    if isinstance(strategy, type) or not all(map(callable, asked)):
        raise TypeError(f"{name} is a retry strategy, such as ExponentialJitter(max_attempts=3), not {strategy!r}")


@dataclass(frozen=True, slots=True)
class ExponentialJitter:
    """Waits twice as long after each attempt, more or less: min(2**attempt s, max_backoff) * (1 + jitter).

    The jitter is random, between `min_jitter` and `max_jitter`, so that jobs which failed together do not
    come back together.

    Raises:
        ValueError: a value is out of range.
    """

    max_attempts: int = 4
    """How often a job runs in all."""
    max_backoff: timedelta = timedelta(seconds=120)
    """The longest wait, before the jitter."""
    min_jitter: float = -0.5
    max_jitter: float = 0.5

    def __post_init__(self) -> None:
        check_types(self)
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts is at least 1, not {self.max_attempts}")
        if self.max_backoff < timedelta(0):
            raise ValueError(f"max_backoff is not negative, as {self.max_backoff} is")
        if not -1 <= self.min_jitter <= self.max_jitter:
            raise ValueError(f"jitter is from -1 up, min_jitter first, not {self.min_jitter} to {self.max_jitter}")

    def should_retry(self, attempt: int, error: BaseException | None) -> bool:
        """Return whether there are attempts left."""
        return attempt < self.max_attempts

    def delay(self, attempt: int) -> timedelta:
        """Return the time to wait after this attempt."""
        # 2**30 seconds are 34 years: the exponent is bounded so that no attempt overflows a float.
        backoff = min(timedelta(seconds=2 ** min(attempt, 30)), self.max_backoff)
        return backoff * (1 + random.uniform(self.min_jitter, self.max_jitter))


@dataclass(frozen=True, slots=True)
class NoRetry:
    """A job that fails has failed for good."""

    def should_retry(self, attempt: int, error: BaseException | None) -> bool:
        """Return `False`: there is no other attempt."""
        return False

    def delay(self, attempt: int) -> timedelta:
        """Return any time, since it is never used."""
        return timedelta(0)
