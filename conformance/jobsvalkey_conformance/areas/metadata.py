"""Metadata and locks."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import Capability, ConfigurationError
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext

HOUR = timedelta(hours=1)


class MetadataTests(Suite):
    """`get_metadata`, `set_metadata`, `acquire_lock` and `release_lock`."""

    @pytest.mark.parametrize("value", [b"", b"value", bytes(range(256))], ids=["empty", "text", "all bytes"])
    @conformance_test(Capability.METADATA)
    async def test_metadata_a_value_is_opaque_bytes(self, kit: SuiteContext, value: bytes) -> None:
        """Metadata holds bytes: what was set is what is got, through any driver."""
        one, other = await kit.driver(), await kit.driver()
        assert await one.get_metadata("key") is None
        await one.set_metadata("key", value)
        assert await other.get_metadata("key") == value

    @pytest.mark.parametrize("no_bytes", [bytearray(b"1"), "1", 1], ids=lambda it: type(it).__name__)
    @conformance_test(Capability.METADATA)
    async def test_metadata_what_is_no_bytes(self, kit: SuiteContext, no_bytes: Any) -> None:
        """A value or a holder that is not bytes is a `TypeError`, and nothing changes."""
        driver = await kit.driver()
        await driver.set_metadata("key", b"value")
        for step in (
            driver.set_metadata("key", no_bytes),
            driver.acquire_lock("lock", no_bytes, HOUR),
            driver.release_lock("lock", no_bytes),
        ):
            with pytest.raises(TypeError, match="bytes"):
                await step
        assert await driver.get_metadata("key") == b"value"
        assert await driver.get_metadata("lock") is None

    @conformance_test(Capability.METADATA)
    async def test_metadata_a_value_is_replaced(self, kit: SuiteContext) -> None:
        """Setting a key again replaces its value, and no other."""
        driver = await kit.driver()
        for key, value in (("one", b"1"), ("other", b"2"), ("one", b"3")):
            await driver.set_metadata(key, value)
        assert await driver.get_metadata("one") == b"3"
        assert await driver.get_metadata("other") == b"2"

    @conformance_test(Capability.METADATA, driven_clock=True)
    async def test_metadata_a_value_does_not_expire(self, kit: SuiteContext) -> None:
        """Plain metadata stays until it is replaced."""
        driver = await kit.driver()
        await driver.set_metadata("key", b"value")
        await kit.advance(timedelta(days=4000))
        assert await driver.get_metadata("key") == b"value"

    @conformance_test(Capability.METADATA)
    async def test_metadata_queues_are_kept_apart(self, kit: SuiteContext) -> None:
        """Metadata is its queue's."""
        driver = await kit.driver()
        other = await kit.driver(queue_key=kit.configuration.queue_key + "x")
        await driver.set_metadata("key", b"value")
        assert await driver.acquire_lock("lock", b"one", HOUR)
        assert await other.get_metadata("key") is None
        assert await other.acquire_lock("lock", b"other", HOUR)

    @pytest.mark.parametrize("key", ["", "_", "_private", "worker.", "worker.1"])
    @conformance_test(Capability.METADATA)
    async def test_metadata_some_keys_are_ours(self, kit: SuiteContext, key: str) -> None:
        """Keys that begin with `_` or `worker.` are ours: a `ValueError`, as an empty one is."""
        driver = await kit.driver()
        for step in (
            driver.get_metadata(key),
            driver.set_metadata(key, b"value"),
            driver.acquire_lock(key, b"holder", HOUR),
            driver.release_lock(key, b"holder"),
        ):
            with pytest.raises(ValueError, match="key"):
                await step

    @conformance_test(Capability.METADATA)
    async def test_metadata_a_scheduler_may_bear_its_queues_key(self, kit: SuiteContext) -> None:
        """A scheduler's two keys may begin with its queue's key, even if that begins with `_`; no other key may."""
        name = f"_{kit.configuration.queue_key}"
        driver = await kit.driver(queue_key=name)
        lock, date = f"{name}.jobSchedulerLock", f"{name}.a.b.jobScheduleLastDate"
        assert await driver.acquire_lock(lock, b"holder", HOUR) is True
        await driver.set_metadata(date, b"value")
        assert await driver.get_metadata(lock) == b"holder"
        assert await driver.get_metadata(date) == b"value"
        assert await driver.release_lock(lock, b"holder") is True
        for key in (f"{name}.key", f"{lock}.more", f"_x{lock}", name):
            with pytest.raises(ValueError, match="key"):
                await driver.set_metadata(key, b"value")
        other = await kit.driver(queue_key=f"{name}x")
        with pytest.raises(ValueError, match="key"):
            await other.set_metadata(date, b"value")

    @pytest.mark.parametrize("key", ["worker", "workers", "a.b/c:d", "key with spaces", "schlüssel", "x" * 200])
    @conformance_test(Capability.METADATA)
    async def test_metadata_all_other_keys_are_the_users(self, kit: SuiteContext, key: str) -> None:
        """Any other key may be used."""
        driver = await kit.driver()
        await driver.set_metadata(key, b"value")
        assert await driver.get_metadata(key) == b"value"

    # -- locks

    @conformance_test(Capability.METADATA)
    async def test_metadata_one_holder_at_a_time(self, kit: SuiteContext) -> None:
        """`acquire_lock` is `True` if the lock is free or already the holder's, `False` if another has it."""
        one, other = await kit.driver(), await kit.driver()
        assert await one.acquire_lock("lock", b"one", HOUR) is True
        assert await other.acquire_lock("lock", b"other", HOUR) is False
        assert await one.acquire_lock("lock", b"one", HOUR) is True
        assert await other.get_metadata("lock") == b"one"
        assert await other.acquire_lock("another lock", b"other", HOUR) is True

    @conformance_test(Capability.METADATA)
    async def test_metadata_a_lock_expires(self, kit: SuiteContext) -> None:
        """`acquire_lock` is `True` if the lock has expired; an expired lock is nothing at all."""
        driver = await kit.driver()
        assert await driver.acquire_lock("lock", b"one", kit.unit)
        await kit.advance(kit.unit)
        assert await driver.get_metadata("lock") is None
        assert await driver.release_lock("lock", b"one") is False
        assert await driver.acquire_lock("lock", b"other", kit.unit) is True
        assert await driver.acquire_lock("lock", b"one", kit.unit) is False

    @conformance_test(Capability.METADATA, driven_clock=True)
    async def test_metadata_a_lock_to_the_smallest_step_of_time(self, kit: SuiteContext) -> None:
        """A lock is held for `expires_in`, and free when that is over."""
        driver = await kit.driver()
        assert await driver.acquire_lock("lock", b"one", kit.unit)
        await kit.advance(kit.unit - kit.harness.time_precision)
        assert await driver.acquire_lock("lock", b"other", kit.unit) is False
        await kit.advance(kit.harness.time_precision)
        assert await driver.acquire_lock("lock", b"other", kit.unit) is True

    @conformance_test(Capability.METADATA)
    async def test_metadata_acquiring_again_extends(self, kit: SuiteContext) -> None:
        """Acquiring the holder's own lock extends it, from now on."""
        driver = await kit.driver()
        for _ in range(4):
            assert await driver.acquire_lock("lock", b"one", kit.unit)
            await kit.advance(kit.unit / 2)
            assert await driver.acquire_lock("lock", b"other", kit.unit) is False
        await kit.advance(kit.unit / 2)
        assert await driver.acquire_lock("lock", b"other", kit.unit) is True

    @conformance_test(Capability.METADATA)
    async def test_metadata_acquiring_again_may_shorten(self, kit: SuiteContext) -> None:
        """Acquiring the holder's own lock holds it for `expires_in` from now, even if it was held for longer."""
        driver = await kit.driver()
        for expires_in in (HOUR, kit.unit):
            assert await driver.acquire_lock("lock", b"one", expires_in)
        await kit.advance(kit.unit)
        assert await driver.acquire_lock("lock", b"other", kit.unit) is True

    @conformance_test(Capability.METADATA)
    async def test_metadata_an_attempt_extends_nothing(self, kit: SuiteContext) -> None:
        """An attempt that fails leaves the lock as it is: its holder's, until its expiry."""
        driver = await kit.driver()
        await driver.acquire_lock("lock", b"one", kit.unit)
        await kit.advance(kit.unit / 2)
        assert await driver.acquire_lock("lock", b"other", HOUR) is False
        await kit.advance(kit.unit / 2)
        assert await driver.get_metadata("lock") is None

    @pytest.mark.parametrize("expires_in", [timedelta(0), timedelta(microseconds=-1)], ids=str)
    @conformance_test(Capability.METADATA)
    async def test_metadata_a_time_that_is_none(self, kit: SuiteContext, expires_in: timedelta) -> None:
        """A lock is taken for a time above zero: else a `ValueError`, and a lock that is held stays as it is."""
        driver = await kit.driver()
        assert await driver.acquire_lock("held", b"holder", HOUR)
        for key in ("free", "held"):
            with pytest.raises(ValueError, match="expires_in"):
                await driver.acquire_lock(key, b"holder", expires_in)
        assert await driver.get_metadata("free") is None
        assert await driver.get_metadata("held") == b"holder"

    @conformance_test(Capability.METADATA)
    async def test_metadata_only_its_holder_frees_a_lock(self, kit: SuiteContext) -> None:
        """`release_lock` frees it only for its holder."""
        driver = await kit.driver()
        assert await driver.release_lock("lock", b"one") is False
        await driver.acquire_lock("lock", b"one", HOUR)
        assert await driver.release_lock("lock", b"other") is False
        assert await driver.get_metadata("lock") == b"one"
        assert await driver.release_lock("lock", b"one") is True
        assert await driver.get_metadata("lock") is None
        assert await driver.acquire_lock("lock", b"other", HOUR) is True

    @conformance_test(Capability.METADATA)
    async def test_metadata_metadata_and_locks_do_not_mix(self, kit: SuiteContext) -> None:
        """Setting metadata over a held lock, or locking plain metadata, is refused, and nothing changes."""
        driver = await kit.driver()
        await driver.set_metadata("value", b"plain")
        await driver.acquire_lock("lock", b"holder", kit.unit)
        with pytest.raises(ConfigurationError):
            await driver.set_metadata("lock", b"plain")
        with pytest.raises(ConfigurationError):
            await driver.acquire_lock("value", b"holder", HOUR)
        with pytest.raises(ConfigurationError):
            await driver.acquire_lock("value", b"plain", HOUR)
        assert await driver.get_metadata("value") == b"plain"
        assert await driver.get_metadata("lock") == b"holder"
        assert await driver.release_lock("value", b"plain") is False
        assert await driver.get_metadata("value") == b"plain"
        await kit.advance(kit.unit)
        await driver.set_metadata("lock", b"plain")
        assert await driver.get_metadata("lock") == b"plain"

    @conformance_test(Capability.METADATA)
    async def test_metadata_one_of_many_gets_the_lock(self, kit: SuiteContext) -> None:
        """Taking a lock is one atomic step: of many that try at once one has it."""
        drivers = [await kit.driver() for _ in range(3)]
        holders = [b"holder %d" % number for number in range(15)]
        answers = await asyncio.gather(
            *(drivers[number % 3].acquire_lock("lock", holder, HOUR) for number, holder in enumerate(holders))
        )
        assert answers.count(True) == 1
        assert await drivers[0].get_metadata("lock") == holders[answers.index(True)]
