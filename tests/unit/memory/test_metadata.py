"""Metadata and locks."""

import pytest

from jobsvalkey.contract import ConfigurationError, NewJob, new_job_id
from tests.unit.memory.bench import SECOND, Bench


async def test_metadata_is_stored_and_read(bench: Bench) -> None:
    assert await bench.queue.get_metadata("key") is None
    await bench.queue.set_metadata("key", b"1")
    await bench.queue.set_metadata("key", b"2")
    assert await bench.queue.get_metadata("key") == b"2"


@pytest.mark.parametrize("key", ["", "_ours", "worker.1"])
async def test_keys_of_ours_are_refused(bench: Bench, key: str) -> None:
    queue = bench.queue
    for call in (
        queue.get_metadata(key),
        queue.set_metadata(key, b""),
        queue.acquire_lock(key, b"", SECOND),
        queue.release_lock(key, b""),
        queue.push_if(NewJob(new_job_id(), b""), key, None, b""),
    ):
        with pytest.raises(ValueError, match="metadata key"):
            await call
    assert not queue.state.jobs


async def test_a_lock_is_its_holders_until_it_expires(bench: Bench) -> None:
    queue = bench.queue
    assert await queue.acquire_lock("lock", b"me", 2 * SECOND)
    assert not await queue.acquire_lock("lock", b"you", 2 * SECOND)
    assert await queue.get_metadata("lock") == b"me"
    bench.clock.advance(SECOND)
    assert await queue.acquire_lock("lock", b"me", 2 * SECOND)
    bench.clock.advance(SECOND)
    assert not await queue.acquire_lock("lock", b"you", 2 * SECOND)
    bench.clock.advance(SECOND)
    assert await queue.get_metadata("lock") is None
    assert await queue.acquire_lock("lock", b"you", 2 * SECOND)


async def test_a_lock_is_released_by_its_holder_alone(bench: Bench) -> None:
    queue = bench.queue
    await queue.acquire_lock("lock", b"me", SECOND)
    assert not await queue.release_lock("lock", b"you")
    assert await queue.release_lock("lock", b"me")
    assert not await queue.release_lock("lock", b"me")
    assert await queue.acquire_lock("lock", b"you", SECOND)
    bench.clock.advance(SECOND)
    assert not await queue.release_lock("lock", b"you")


async def test_a_lock_and_a_value_do_not_overwrite_each_other(bench: Bench) -> None:
    queue = bench.queue
    await queue.acquire_lock("lock", b"me", SECOND)
    await queue.set_metadata("value", b"1")
    with pytest.raises(ConfigurationError, match="lock"):
        await queue.set_metadata("lock", b"1")
    with pytest.raises(ConfigurationError, match="lock"):
        await queue.push_if(NewJob(new_job_id(), b""), "lock", b"me", b"1")
    with pytest.raises(ConfigurationError, match="value"):
        await queue.acquire_lock("value", b"me", SECOND)
    assert not await queue.release_lock("value", b"1")
    bench.clock.advance(SECOND)
    await queue.set_metadata("lock", b"1")
    bench.clock.advance(SECOND)
    assert await queue.get_metadata("lock") == b"1"


async def test_a_lock_lasts_for_some_time(bench: Bench) -> None:
    with pytest.raises(ValueError, match="above zero"):
        await bench.queue.acquire_lock("lock", b"me", 0 * SECOND)
