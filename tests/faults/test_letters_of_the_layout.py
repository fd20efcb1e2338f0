"""A letter in the layout's key stands for a feature that the queue uses: a version that does not know it stays out."""

from typing import Any

import pytest

from jobsvalkey import ConfigurationError
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.steps import STEPS


@pytest.mark.parametrize("layout", ["1z", "1Za", "2", "1 ", "x"])
@pytest.mark.parametrize("name", STEPS)
async def test_every_script_asks_on_a_connection_that_is_open_as_well(
    name: str, layout: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    step = STEPS[name]
    scene = await step.prepare(direct)
    await valkey_client.set(f"{queue_key}.metadata._layout", layout)
    keys = [key async for key in valkey_client.scan_iter(match=f"{queue_key}*", count=1000)]
    before = {key: await valkey_client.dump(key) for key in keys}
    with pytest.raises(ConfigurationError, match=rf"newer version of jobsvalkey \(layout {layout}\): upgrade"):
        await step.ask(direct, scene)
    for look in (direct.counts(), direct.get(scene.ids[0]), direct.get_metadata("value")):
        with pytest.raises(ConfigurationError, match="upgrade"):
            await look
    assert {key: await valkey_client.dump(key) for key in keys} == before
