"""What the twin says of itself."""

from typing import Any, cast

from jobsvalkey.contract import CAPABILITY_PROTOCOLS
from jobsvalkey_memory import MemoryJobQueue
from tests.unit.memory.bench import Bench


async def test_every_capability_is_there_but_the_store_does_not_last(bench: Bench) -> None:
    assert bench.queue.capabilities == set(CAPABILITY_PROTOCOLS)
    for protocol in CAPABILITY_PROTOCOLS.values():
        assert isinstance(cast(Any, bench.queue), protocol)
    assert not await bench.queue.is_durable()


def test_the_clock_is_the_machines_unless_given() -> None:
    assert MemoryJobQueue().clock.now().tzinfo is not None
