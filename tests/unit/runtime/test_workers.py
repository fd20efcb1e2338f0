import pytest

from jobsvalkey import StoreUnavailable
from jobsvalkey.runtime.workers import FIRST_PAUSE, LONGEST_PAUSE, StoreAccess


class Noting(StoreAccess):
    """Notes its pauses, and takes none."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    async def _rest(self, seconds: float) -> None:
        self.pauses.append(seconds)


async def test_the_pause_doubles_up_to_its_bound_while_a_store_is_away() -> None:
    access = Noting()

    async def step() -> str:
        if len(access.pauses) < 10:
            raise StoreUnavailable("away", outcome="not_done")
        return "answer"

    assert await access.retry_until_answered(step, {}) == "answer"
    expected = [min(FIRST_PAUSE * 2**repeats, LONGEST_PAUSE) for repeats in range(10)]
    # Each is up to a quarter shorter or longer, so that workers do not come back together.
    assert access.pauses == [pytest.approx(pause, rel=0.25) for pause in expected]
    assert expected[-2:] == [LONGEST_PAUSE] * 2
