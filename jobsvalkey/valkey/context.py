"""The arguments that every script of one queue gets: the queue's key, the time, and the queue's settings."""

from jobsvalkey.contract import Clock
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.arguments import Argument
from jobsvalkey.valkey.configuration import ValkeyConfiguration


class ScriptContext:
    """The arguments that come before a script's own, and the key that it is given."""

    def __init__(self, configuration: ValkeyConfiguration, clock: Clock | None) -> None:
        self.queue_key: str = configuration.queue_key
        self._clock = clock
        self._settings: list[Argument] = [
            wire.retention_argument(configuration.retention_policy),
            wire.microseconds(configuration.idempotency_window),
        ]

    def arguments(self) -> list[Argument]:
        """The arguments for a step that is made now. Without a clock of ours the server's time counts."""
        now = "" if self._clock is None else wire.microseconds(self._clock.now())
        return [now, *self._settings]
