"""Faults between the processes and their server."""

from tests.chaos.cable import CAN_CUT
from tests.chaos.kind import Scene, kind
from tests.chaos.stages import across_a_network, behind_a_proxy
from tests.support.proxy import Command, Fault, Matches, Proxy
from tests.support.waiting import until

ANY = 10**9
"""More commands than there are."""


def some(scene: Scene, share: float) -> Matches:
    """Matches this share of all commands, by the seed."""

    def matches(command: Command) -> bool:
        return scene.chance.random() < share

    return matches


def proxy_of(scene: Scene) -> Proxy:
    assert scene.stage.proxy is not None
    return scene.stage.proxy


async def _for_a_while(scene: Scene, *faults: Fault) -> None:
    await scene.pause(0.5, 1.5)
    await until(lambda: all(fault.hit for fault in faults))
    proxy_of(scene).clear()


@kind("replies are dropped, and their connections cut", "nothing is done twice", stage=behind_a_proxy())
async def replies_dropped(scene: Scene) -> None:
    await _for_a_while(scene, proxy_of(scene).swallow_reply(some(scene, 0.1), times=ANY))


@kind("replies are cut short", "nothing is done twice", stage=behind_a_proxy())
async def replies_cut_short(scene: Scene) -> None:
    await _for_a_while(scene, proxy_of(scene).shorten_reply(some(scene, 0.1), times=ANY))


@kind(
    "requests arrive up to 1.5 seconds late, when others have been answered",
    "nothing is done twice",
    stage=behind_a_proxy(),
    slow=True,
)
async def requests_delayed(scene: Scene) -> None:
    shares = (0.05, 0.3), (0.02, 1.5)
    delays = [proxy_of(scene).delay(seconds, some(scene, share), times=ANY) for share, seconds in shares]
    await _for_a_while(scene, *delays)


@kind(
    "connections are half open: the server is gone, and no end of it arrives",
    "new ones are made",
    stage=behind_a_proxy(),
    slow=True,
)
async def half_open(scene: Scene) -> None:
    await _for_a_while(scene, proxy_of(scene).swallow_reply(some(scene, 0.05), times=ANY, after="hang"))


@kind("connections are cut, and new ones refused", "steps wait; nothing is lost", stage=behind_a_proxy())
async def server_away(scene: Scene) -> None:
    for _ in range(3):
        async with proxy_of(scene).away():
            await scene.pause(0.1, 0.7)
        await scene.pause(0, 0.2)


@kind(
    "nothing passes between the hosts, and nobody is told",
    "steps wait; nothing is lost",
    stage=across_a_network,
    where=CAN_CUT,
    slow=True,
)
async def network_cut(scene: Scene) -> None:
    network = scene.stage.network
    assert network is not None
    with network.cut():
        await scene.pause(0.5, 3)
