"""Demands on replicas and disks, by the answers of the server: no test can make a disk slow."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey
from valkey.exceptions import ConnectionError as ConnectionLost
from valkey.exceptions import ResponseError

from jobsvalkey.contract import Durability, NewJob, new_job_id
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.configuration import ValkeyConfiguration
from jobsvalkey.valkey.confirming import UNEXPECTED, Confirmation, Insistence
from jobsvalkey.valkey.queue import ValkeyJobQueue

DONE = b"1"


class Server:
    """A channel to a server that answers one command."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.sent: list[tuple[object, ...]] = []

    async def send(self, *words: object) -> Any:
        self.sent.append(words)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def demand(replicas: int, *, disk: bool) -> Durability:
    return Durability(replicas=replicas, append_only_file=disk, timeout=timedelta(seconds=2))


@pytest.mark.parametrize(
    ("replicas", "disk", "answer", "met"),
    [
        (1, False, 0, False),
        (1, False, 1, True),
        (2, False, 1, False),
        (2, False, 3, True),
        (0, True, [0, 0], False),
        (0, True, [1, 0], True),
        (0, True, [0, 5], False),
        (2, True, [1, 1], False),
        (2, True, [0, 2], False),
        (2, True, [1, 2], True),
    ],
)
async def test_a_demand_is_met_by_disk_and_replicas(
    replicas: int, disk: bool, answer: int | Sequence[int], met: bool
) -> None:
    server = Server(answer)
    found = await Confirmation(demand(replicas, disk=disk)).ask(cast(Channel, server), DONE)
    assert server.sent == [("WAITAOF", 1, replicas, 2000) if disk else ("WAIT", replicas, 2000)]
    if met:
        assert found is None
        return
    assert found is not None
    synced, count = (answer[0], answer[1]) if isinstance(answer, Sequence) else (0, answer)
    assert (found.replicas, found.append_only_file) == (count, bool(synced))
    assert f"{count} of {replicas} replicas" in str(found)
    assert ("disk" in str(found)) is disk
    with pytest.raises(ConnectionLost, match=r"^it is done, but"):
        await Insistence(demand(replicas, disk=disk)).ask(cast(Channel, server), DONE)


@pytest.mark.parametrize("disk", [False, True])
async def test_nothing_is_known_if_the_server_does_not_tell(disk: bool) -> None:
    server = Server(ResponseError("WAIT cannot be used with replica instances"))
    with pytest.raises(ConnectionLost, match="replica"):
        await Confirmation(demand(1, disk=disk)).ask(cast(Channel, server), DONE)


async def test_a_step_that_did_nothing_meets_any_demand() -> None:
    server = Server(0)
    assert await Confirmation(demand(1, disk=True)).ask(cast(Channel, server), UNEXPECTED) is None
    assert server.sent == []


async def test_a_job_without_a_demand_has_that_of_the_configuration() -> None:
    """Also beside one that has a weaker demand of its own, wherever it stands in the push."""
    default, own = demand(2, disk=False), demand(1, disk=False)
    configuration = ValkeyConfiguration(queue_key="queue", durability=default)
    driver = ValkeyJobQueue(Valkey(), configuration)
    jobs = [NewJob(new_job_id(), b"{}", durability=own), NewJob(new_job_id(), b"{}")]
    for items in (jobs, jobs[::-1], jobs[1:]):
        assert vars(ValkeyBase)["_demand"](driver, items) == default
    assert vars(ValkeyBase)["_demand"](driver, jobs[:1]) == own
