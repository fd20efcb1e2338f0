"""A refusal is an answer of the driver, and an error for whoever pushed."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from jobsvalkey import ConfigurationError, JobQueue, JobsError, PushIncomplete, UnsupportedOperation
from jobsvalkey.contract import (
    NewJob,
    Operation,
    Pushed,
    PushedIf,
    Refusal,
    RefusalKind,
    StoreOutcome,
    UnknownParent,
)
from jobsvalkey_memory import MemoryJobQueue
from tests.support.work import Work

ERRORS: dict[RefusalKind, type[JobsError]] = {
    RefusalKind.UNKNOWN_PARENT: UnknownParent,
    RefusalKind.UNSUPPORTED: UnsupportedOperation,
    RefusalKind.IMPOSSIBLE: ConfigurationError,
}


class Refusing(MemoryJobQueue[Any]):
    """Refuses all that is pushed."""

    kind = RefusalKind.IMPOSSIBLE

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        reason = Refusal(self.kind, "it cannot be: do something else")
        return [Pushed(StoreOutcome.REFUSED, item.job_id, reason) for item in items]

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        return PushedIf(StoreOutcome.REFUSED, item.job_id, Refusal(self.kind, "it cannot be: do something else"))


PUSHES: dict[str, Callable[[JobQueue[Refusing]], Awaitable[Any]]] = {
    "push": lambda queue: queue.push(Work()),
    "push_many": lambda queue: queue.push_many([Work(1), Work(2)]),
    "push_if": lambda queue: queue.push_if(Work(), key="key", expected=None, value=b"1"),
}


@pytest.mark.parametrize("kind", list(RefusalKind))
@pytest.mark.parametrize("push", list(PUSHES))
async def test_a_refusal_is_raised_by_its_kind(push: str, kind: RefusalKind) -> None:
    driver = Refusing()
    driver.kind = kind
    with pytest.raises(ERRORS[kind], match="it cannot be: do something else"):
        await PUSHES[push](JobQueue(driver))


async def test_a_refused_chunk_ends_a_push_in_chunks() -> None:
    with pytest.raises(PushIncomplete, match="it cannot be") as failure:
        await JobQueue(Refusing()).push_many([Work(1)], atomic=False)
    assert failure.value.stored == ()
    assert isinstance(failure.value.__cause__, ConfigurationError)
