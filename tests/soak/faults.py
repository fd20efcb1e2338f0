"""The faults of a soak: one after the other, for as long as a round lasts."""

import asyncio
import random
from collections import Counter
from typing import Any

from tests.soak.process import SoakWorker

KINDS = ("kill", "stop", "freeze", "cut", "flush", "pause")


class Faults:
    """Makes faults happen to a server and to one of its workers; the other one lives on, to be measured."""

    def __init__(self, client: Any, victim: SoakWorker, seed: int) -> None:
        self._client = client
        self._victim = victim
        self._random = random.Random(seed)
        self.made = Counter[str]()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await asyncio.sleep(self._random.uniform(0.5, 3))
            kind = self._random.choice(KINDS)
            await asyncio.shield(asyncio.ensure_future(self._make(kind)))
            self.made[kind] += 1

    async def _make(self, kind: str) -> None:
        match kind:
            case "kill":
                await self._victim.kill()
                await self._victim.start()
            case "stop":
                await self._victim.stop()
                await self._victim.start()
            case "freeze":
                self._victim.freeze()
                await asyncio.sleep(self._random.choice([0.5, 6.0]))
                self._victim.thaw()
            case "cut":
                await self._client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            case "flush":
                await self._client.script_flush()
            case _:
                await self._client.execute_command("CLIENT", "PAUSE", "500", "ALL")
