"""Numbers for steps. Drivers need them if there is a network in between, so that a lost reply does no harm."""

import asyncio
import hashlib
import random
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import msgspec

from jobsvalkey.contract.claims import Operation
from jobsvalkey.contract.errors import StoreUnavailable

T = TypeVar("T")

FIRST_PAUSE = 0.05
"""Seconds before a step is sent again; twice as many each time."""
LONGEST_PAUSE = 2.0


def digest_of(method: str, *arguments: object) -> bytes:
    """Return 32 bytes that say what a step asks for: equal for a repeat, and for nothing else.

    A list counts as equal to a tuple with the same items. Arguments may be structs, dataclasses, times and ids.
    """
    return hashlib.sha256(msgspec.msgpack.encode([method, *arguments])).digest()


class Numbering:
    """Numbers the steps of one producer, and sends each again under its number until it is answered.

    Make one for each connection of an event loop. Steps go one at a time, in the order in which they are asked for:
    a store refuses a number that is lower than the last.
    """

    def __init__(self, patience: timedelta) -> None:
        self.producer: str = secrets.token_hex(16)
        self._patience = patience.total_seconds()
        self._sequence = 0
        self._turn = asyncio.Lock()

    async def run(self, step: Callable[[Operation], Awaitable[T]]) -> T:
        """Do a step that takes its number, and return its answer.

        Errors other than `StoreUnavailable` are the step's answer. After a cancelled call the next number is used, so
        that a request that is still on its way is refused when it arrives late.

        Raises:
            StoreUnavailable: there was no answer in time. `outcome` is `"not_done"` if certainly none of the tries was
                done.
        """
        async with self._turn:
            self._sequence += 1
            operation = Operation(self.producer, self._sequence)
            end, pause = asyncio.get_running_loop().time() + self._patience, FIRST_PAUSE
            is_sent = False
            while True:
                try:
                    return await step(operation)
                except StoreUnavailable as error:
                    is_sent = is_sent or error.outcome == "unknown"
                    left = end - asyncio.get_running_loop().time()
                    if left <= 0:
                        raise StoreUnavailable(str(error), outcome="unknown" if is_sent else "not_done") from error
                    await asyncio.sleep(min(pause * random.uniform(0.75, 1.25), left))
                    pause = min(pause * 2, LONGEST_PAUSE)


class CallNames:
    """Names for calls, so that a store can tell a late request from a new call, by `is_late`."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._number = 0

    def new(self) -> str:
        """Return the name of the next call. Its repeats have the same name."""
        self._number += 1
        return f"{self._prefix}.{self._number}"

    @staticmethod
    def is_late(call: str, answered: str) -> bool:
        """Return whether `call`, which arrives after `answered` was answered, was made no later by the same driver."""
        prefix, _, number = call.partition(".")
        other, _, last = answered.partition(".")
        return prefix == other and int(number) <= int(last)
