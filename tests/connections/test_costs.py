"""The cost of a push, a claim and a settlement, if a queue uses nothing else: commands on the server, and bytes."""

import re
from collections import Counter
from typing import Any, cast

from valkey.asyncio import Valkey

from jobsvalkey import ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import Finish, NewJob, new_job_id
from jobsvalkey.valkey.channel import Channel
from tests.support.drivers import HOUR
from tests.support.servers import ServerOptions, local_kind

COSTS = {
    "push": {"time": 1, "mget": 1, "exists": 1, "llen": 1, "hexists": 1, "zadd": 1, "set": 2},
    "claim": {
        "time": 1,
        "get": 1,
        "hmget": 1,
        "type": 4,
        "llen": 1,
        "zrangebyscore": 1,
        "mget": 1,
        "exists": 1,
        "hdel": 1,
        "zadd": 1,
        "sadd": 1,
        "hset": 2,
        "zremrangebyrank": 1,
        "zrange": 1,
    },
    "finish": {
        "time": 1,
        "get": 1,
        "hmget": 2,
        "type": 3,
        "strlen": 1,
        "llen": 1,
        "exists": 1,
        "hdel": 1,
        "srem": 1,
        "del": 1,
        "zcard": 1,
        "zrange": 1,
        "hset": 1,
    },
}
"""The commands of each step, within its script."""


# Not used, it costs nothing.
async def test_what_is_not_used_costs_nothing(monkeypatch: Any) -> None:
    replies: list[Any] = []
    run = Channel.run

    async def noted(self: Channel, *asked: Any) -> Any:
        replies.append(await run(self, *asked))
        return replies[-1]

    monkeypatch.setattr(Channel, "run", noted)
    with local_kind().make(ServerOptions()) as server:
        client = cast(Any, Valkey).from_url(server.url)
        async with client, ValkeyJobQueue(client, ValkeyConfiguration(queue_key="queue")) as driver:
            costs: dict[str, dict[str, int]] = {}
            await driver.open_worker("worker", HOUR)
            for sequence in (1, 3):  # the first time connections are opened, and scripts loaded
                before = await _calls(client)
                await driver.push([NewJob(new_job_id(), b"{}")])
                costs["push"], before = await _since(client, before)
                (claim,) = (await driver.exchange("worker", sequence, (), 1)).claims
                costs["claim"], before = await _since(client, before)
                assert len(replies[-1]) == 5
                (value,) = await client.hvals("queue.metadata._claimed")
                assert re.fullmatch(rb"%d\.0 \d{16} [\d.]{10,17} - worker" % sequence, value)
                assert sorted(await client.hkeys("queue.metadata._worker.worker")) == [
                    b"expires",
                    b"listener",
                    b"outcomes",
                    b"sequence",
                ]
                before = await _calls(client)
                await driver.exchange("worker", sequence + 1, [Finish(claim.job_id, claim.token)])
                costs["finish"], before = await _since(client, before)
                assert replies[-1] == [b"s", None, [], [], []]
    assert costs == COSTS


async def _calls(client: Any) -> Counter[str]:
    """How often each command was called in scripts."""
    stats = await client.info("commandstats")
    called = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
    return Counter({name: calls for name, calls in called.items() if name not in {"info", "evalsha", "eval"}})


async def _since(client: Any, before: Counter[str]) -> tuple[dict[str, int], Counter[str]]:
    after = await _calls(client)
    return dict(after - before), after
