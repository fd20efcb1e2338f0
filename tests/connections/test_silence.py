"""A producer whose server is away says so before it gives up."""

import logging
from datetime import timedelta

import pytest

from jobsvalkey import StoreUnavailable
from jobsvalkey.valkey import channel
from tests.support.drivers import driver_at, new_job
from tests.support.ports import free_port


async def test_a_push_that_is_not_answered_is_logged_once_and_without_the_password(
    queue_key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(channel, "TELLS_AFTER", 0.05)
    url = f"valkey://me:secret@127.0.0.1:{free_port()}"
    async with driver_at(url, queue_key, operation_timeout=timedelta(seconds=0.5)) as driver:
        with caplog.at_level(logging.WARNING), pytest.raises(StoreUnavailable):
            await driver.push([new_job()])
    (said,) = [record.getMessage() for record in caplog.records]
    assert "the server cannot be reached" in said
    assert "goes on for 0." in said
    assert "secret" not in caplog.text
