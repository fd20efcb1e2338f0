import pytest

from jobsvalkey_memory import MemoryJobQueue, MemoryStore
from tests.unit.scheduling.ten_schedulers import TenSchedulers


@pytest.mark.parametrize("ignore_lock", [False, True], ids=["lock", "lock believed by all"])
@pytest.mark.parametrize("seed", range(5))
async def test_each_trigger_is_pushed_exactly_once(seed: int, ignore_lock: bool) -> None:
    store = MemoryStore()
    await TenSchedulers(lambda clock: MemoryJobQueue(clock=clock, store=store), seed, ignore_lock=ignore_lock).run()
