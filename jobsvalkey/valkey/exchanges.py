"""The channel of one worker's exchanges, which knows what was sent on it in vain."""

import asyncio
from collections.abc import Sequence

from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.confirming import Confirmation
from jobsvalkey.valkey.scripting import EXCHANGE
from jobsvalkey.valkey.words import Exchange


class ExchangeChannel:
    """Sends the exchanges of one worker, one at a time.

    A run that leaves without closing its worker does not say so: the connection rests when the lock has run out.
    """

    def __init__(self, channel: Channel, patience: float, confirmation: Confirmation | None = None) -> None:
        self._channel = channel
        self._patience = patience
        self._confirmation = confirmation
        self._unanswered = False
        """Whether an exchange was given up that may still arrive."""
        self._alarm: asyncio.TimerHandle | None = None

    async def call(self, words: Exchange, settlements: Sequence[Argument]) -> Reply:
        """The reply of an exchange, which is called a repeat once one has been sent in vain.

        Raises:
            StoreUnavailable: there was no reply in time. Other errors of ours: the server refused.
        """

        def repeat() -> list[Argument]:
            return [*words._replace(is_repeat="1"), *settlements]

        again, self._unanswered = self._unanswered, True
        arguments = repeat() if again else [*words, *settlements]
        reply = await self._channel.call(
            EXCHANGE, arguments, patience=self._patience, repeat=repeat, confirmation=self._confirmation
        )
        self._unanswered = False
        return reply

    def locked_for(self, seconds: float) -> None:
        """Keep the connection for as long as the worker's lock lasts."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._rest, seconds)

    async def close(self) -> None:
        """End the connection: the worker is no more."""
        if self._alarm is not None:
            self._alarm.cancel()
        await self._channel.close()

    def close_without_loop(self) -> None:
        """End the connection of a worker whose event loop has ended."""
        self._channel.close_without_loop()

    def _rest(self, seconds: float) -> None:
        self._alarm = None
        if not self._channel.rest():
            self.locked_for(seconds)
