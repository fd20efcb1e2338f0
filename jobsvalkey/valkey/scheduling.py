"""The capability `SCHEDULING`: a push that happens once, however many schedulers try."""

from jobsvalkey.contract import (
    NewJob,
    Operation,
    PushedIf,
    StoreOutcome,
    check_metadata_key,
    check_push,
    refusals,
)
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.confirming import UNEXPECTED, naming
from jobsvalkey.valkey.scripting import PUSH_IF
from jobsvalkey.valkey.words import PushIf


class ValkeyScheduling(ValkeyBase):
    """The capability `SCHEDULING`."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        """Store the job and set metadata `key` to `value`, if it holds `expected` (`None`: nothing).

        Raises:
            ConfigurationError: `key` is a lock that is held.
        """
        check_push([item], self._configuration)
        for refused in refusals([item], self.capabilities):
            return PushedIf(refused.outcome, item.job_id, refused.reason)
        words = PushIf(
            name=check_metadata_key(key, self._configuration.queue_key, expected=expected or b"", value=value),
            has_expected="" if expected is None else "1",
            expected=expected or b"",
            value=value,
        )
        with naming([item]):
            answer: bytes = await self._write(
                PUSH_IF, [*words, *wire.push_arguments([item])], operation, demand=self._demand([item])
            )
        if answer == UNEXPECTED:
            return PushedIf(StoreOutcome.UNEXPECTED, item.job_id)
        (done,) = wire.pushed([item], answer)
        return PushedIf(done.outcome, done.job_id, done.reason)
