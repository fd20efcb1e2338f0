"""Numbered writing steps: what makes a repeat after a lost reply harmless."""

import hashlib
import secrets
from collections.abc import Sequence

from jobsvalkey.contract import Operation, check_sequence
from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.confirming import Confirmation
from jobsvalkey.valkey.scripting import Script


class NumberedWriter:
    """Numbers the writing steps of one channel, so that a repeat is never done twice.

    A channel sends in the order of the calls, so the numbers arrive in order.
    """

    def __init__(self, channel: Channel, patience: float, confirmation: Confirmation | None = None) -> None:
        self._channel = channel
        channel.tells = True
        self._confirmation = confirmation
        self._patience = patience
        self._producer = secrets.token_hex(16)
        self._sequence = 0

    @property
    def moving_until(self) -> float:
        """Until when, by the loop's time, the last bytes that moved are a reason to wait for more."""
        return self._channel.moving_until

    def next_number(self) -> list[Argument]:
        """Return the words of the next number of our own, for a step that is sent by somebody else."""
        self._sequence += 1
        return [self._producer, self._sequence, ""]

    async def run(
        self,
        script: Script,
        arguments: Sequence[Argument],
        operation: Operation | None = None,
        asked: Sequence[Argument] | None = None,
        patience: float | None = None,
    ) -> Reply:
        """Do one step, under the caller's number or, without one, the next of our own.

        `asked` is what the digest of a caller's number covers, if that is not the arguments.
        `patience`, in seconds, is the driver's if none is given.
        """
        if operation is None:
            number = self.next_number()
        else:
            parts = (script.name, *(arguments if asked is None else asked))
            text = b"\0".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
            number = [operation.producer, check_sequence(operation.sequence), hashlib.sha256(text).hexdigest()]
        return await self._channel.call(
            script,
            [*number, *arguments],
            patience=self._patience if patience is None else patience,
            confirmation=self._confirmation,
        )
