"""Faults of one server: it ends, stands still, forgets, or refuses."""

import asyncio

from tests.chaos.disk import CAN_MOUNT
from tests.chaos.kind import Scene, kind
from tests.chaos.stages import one_server, with_a_replica, with_a_small_disk
from tests.support.ports import HOST
from tests.support.servers import Server
from tests.support.servers.group import ask, port_of
from tests.support.waiting import until

EVERY_STEP = {"appendfsync": "always"}
KEEPS_ALL = one_server(appendonly=True, settings=EVERY_STEP)


@kind(
    "the server is restarted in order, with an append-only file", "nothing is lost", stage=one_server(appendonly=True)
)
async def restart(scene: Scene) -> None:
    await asyncio.to_thread(scene.stage.server.stop)
    await scene.pause(0, 0.5)
    await asyncio.to_thread(scene.stage.server.start)


@kind("the server is killed (SIGKILL), with `appendfsync always`", "nothing is lost", stage=KEEPS_ALL)
async def server_killed(scene: Scene) -> None:
    await asyncio.to_thread(scene.stage.server.kill)
    await scene.pause(0, 0.5)
    await asyncio.to_thread(scene.stage.server.start)


@kind(
    "the server is killed (SIGKILL), without an append-only file",
    "its data is gone; all go on, and nothing that is pushed from then on is lost",
    forgets=True,
)
async def server_forgets(scene: Scene) -> None:
    await asyncio.to_thread(scene.stage.server.kill)
    await scene.pause(0, 0.5)
    await asyncio.to_thread(scene.stage.server.start)


@kind("the server is frozen (SIGSTOP): TCP is acknowledged, and nothing is answered", "nothing is lost", slow=True)
async def server_frozen(scene: Scene) -> None:
    scene.stage.server.freeze()
    await scene.pause(0.5, 2.5)
    scene.stage.server.thaw()


async def _again_and_again(scene: Scene, *words: object) -> None:
    for _ in range(20):
        await asyncio.to_thread(ask, scene.stage.server, *words)
        await scene.pause(0, 0.1)


@kind("`SCRIPT FLUSH`, twenty times", "nothing is noticed", slow=True)
async def scripts_flushed(scene: Scene) -> None:
    await _again_and_again(scene, "SCRIPT", "FLUSH")


@kind("`CLIENT KILL` of all connections, twenty times", "nothing is lost or doubled", slow=True)
async def clients_killed(scene: Scene) -> None:
    await _again_and_again(scene, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


@kind("`CLIENT PAUSE` of all commands, or of those that write", "nothing is lost", slow=True)
async def clients_paused(scene: Scene) -> None:
    milliseconds = scene.chance.randint(500, 2500)
    ask(scene.stage.server, "CLIENT", "PAUSE", milliseconds, scene.chance.choice(("ALL", "WRITE")))
    await asyncio.sleep(milliseconds / 1000)


@kind("`maxmemory` is reached", "pushes are refused, and workers settle")
async def memory_full(scene: Scene) -> None:
    ask(scene.stage.server, "CONFIG", "SET", "maxmemory", 1)
    ran = len(scene.crew.ran)

    def is_refused_and_run() -> bool:
        scene.crew.look()
        refused = any(entry.what == "refused" for pusher in scene.crew.pushers for entry in pusher.entries)
        return refused and len(scene.crew.ran) > ran

    await until(is_refused_and_run)
    await scene.pause(0.3, 1.5)
    ask(scene.stage.server, "CONFIG", "SET", "maxmemory", 0)


async def _until_role(server: Server, role: bytes) -> None:
    async def has_role() -> bool:
        told = await asyncio.to_thread(ask, server, "ROLE")
        return told[0] == role and (role == b"master" or told[3] == b"connected")

    await until(has_role)


@kind(
    "the server becomes a read-only replica, and a primary again (`FAILOVER`)",
    "steps wait; nothing is lost",
    stage=with_a_replica,
)
async def read_only(scene: Scene) -> None:
    server, other = scene.stage.servers
    ask(server, "FAILOVER", "TO", HOST, port_of(other))
    await _until_role(server, b"slave")
    await scene.pause(0.2, 1.0)
    ask(other, "FAILOVER", "TO", HOST, port_of(server))
    await _until_role(server, b"master")


@kind(
    "the disk under the append-only file is full, with `appendfsync everysec`",
    "steps are refused until there is room; nothing is lost",
    stage=with_a_small_disk(),
    where=CAN_MOUNT,
)
async def disk_full(scene: Scene) -> None:
    disk = scene.stage.disk
    assert disk is not None

    async def is_refused() -> bool:
        return b"aof_last_write_status:err" in await asyncio.to_thread(ask, scene.stage.server, "INFO", "persistence")

    with disk.filled():
        await until(is_refused)
        await scene.pause(0.2, 1.0)


@kind(
    "the disk under the append-only file is full, with `appendfsync always`: the server ends",
    "steps wait until there is room and a server; nothing is lost",
    stage=with_a_small_disk(**EVERY_STEP),
    where=CAN_MOUNT,
    slow=True,
)
async def disk_full_at_every_step(scene: Scene) -> None:
    disk = scene.stage.disk
    assert disk is not None
    with disk.filled():
        await until(lambda: not scene.stage.server.is_running)
        await scene.pause(0, 0.5)
    await asyncio.to_thread(scene.stage.server.start)
