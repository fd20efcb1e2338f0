"""What a kind of fault is: where it is played, what happens, and what is promised."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from tests.chaos.crew import Crew
from tests.chaos.stages import MakeStage, Stage, one_server


@dataclass(frozen=True)
class Scene:
    """What a fault has to do with."""

    stage: Stage
    crew: Crew
    chance: random.Random
    queue_key: str

    async def pause(self, low: float, high: float) -> None:
        """Let so many seconds go by, as the seed says: the fault lasts, or the next one comes later."""
        await asyncio.sleep(self.chance.uniform(low, high))


Happen: TypeAlias = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """A kind of fault."""

    id: str
    what: str
    """The fault, for the table."""
    promise: str
    """What is promised, for the table."""
    happen: Happen
    """Makes the fault, and returns when it is over."""
    stage: MakeStage
    durable: bool
    """Whether each step waits for a replica."""
    forgets: bool
    """Whether the servers lose what they had: only what is pushed afterwards is looked for."""
    is_control: bool
    """Whether it is there to lose or double jobs, else the kind beside it would prove nothing."""
    is_slow: bool
    """Whether it is no test of every day."""
    is_possible: bool
    """Whether this machine can do it."""


PLAIN = one_server()


class Kinds:
    """Kinds by their ids, in the order of the table."""

    def __init__(self) -> None:
        self.all: dict[str, Kind] = {}

    def __call__(
        self,
        what: str,
        promise: str,
        *,
        stage: MakeStage = PLAIN,
        durable: bool = False,
        forgets: bool = False,
        control: bool = False,
        slow: bool = False,
        where: bool = True,
    ) -> Callable[[Happen], Happen]:
        """Make a kind of a function; `where` says whether this machine can do it."""

        def add(happen: Happen) -> Happen:
            name = happen.__name__.replace("_", "-")
            self.all[name] = Kind(name, what, promise, happen, stage, durable, forgets, control, slow, where)
            return happen

        return add


kind = Kinds()
