"""How the suite gets our own drivers: the twin, the Valkey driver on each server, and the same on fakeredis."""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from jobsvalkey.contract import Clock, DriverConfiguration, JobID, JobStatus, Operation, QueueDriver, SystemClock
from jobsvalkey_conformance import GARBLED, Damage, DriverHarness, Observation, ObservedJob
from jobsvalkey_memory import MemoryJobQueue, MemoryStore

NUMBERED = {
    "push", "push_if", "cancel", "pause", "resume", "rerun", "remove", "cleanup_step", "set_metadata", "acquire_lock",
    "release_lock",
}  # fmt: skip
"""The steps that an operation numbers."""
WRITING = NUMBERED | {"exchange", "open_worker", "renew", "close_worker", "recover"}


class LostReplies:
    """Whether the next reply is lost."""

    def __init__(self) -> None:
        self.armed = False

    def lose_one(self) -> bool:
        """Whether this reply is lost; the one after it is not."""
        lost, self.armed = self.armed, False
        return lost


class AskingTwice(MemoryJobQueue[Clock]):
    """The twin as it would be with a network in between: after a lost reply the step is asked for again."""

    def __init__(
        self, configuration: DriverConfiguration, clock: Clock, store: MemoryStore, replies: LostReplies
    ) -> None:
        super().__init__(configuration, clock, store)
        self.replies = replies

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._asked_for(name, found) if name in WRITING else found

    def _asked_for(self, name: str, step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(*args: Any, **kwargs: Any) -> Any:
            lost = self.replies.lose_one()
            if lost and name in NUMBERED and kwargs.get("operation") is None:
                kwargs["operation"] = Operation(secrets.token_hex(8), 1)
            if lost:
                await step(*args, **kwargs)
            return await step(*args, **kwargs)

        return asked


class MemoryHarness(DriverHarness):
    """The twin."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.replies = LostReplies()

    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        """A twin on the store of this harness."""
        return AskingTwice(configuration, clock or SystemClock(), self.store, self.replies)

    async def observe(self, configuration: DriverConfiguration) -> Observation:
        """The lines, the jobs and the workers' claims."""
        state = self.store.queues[configuration.queue_key]
        lines = {job_id: status for status, line in state.lines.items() for _, job_id in line}
        lines |= {job_id: JobStatus.FAILED for _, job_id in state.kept_line}
        return Observation(
            {
                job_id: ObservedJob(frozenset({status}), state.jobs[job_id].request is not None)
                for job_id, status in lines.items()
            },
            {worker: frozenset(each.claims.values()) for worker, each in state.workers.items()},
        )

    async def fingerprint(self, configuration: DriverConfiguration) -> object:
        """Jobs, claims, producers and metadata; not what only serves to wake workers."""
        state = self.store.queues[configuration.queue_key]
        workers = {name: (each.expires, dict(each.claims), each.sequence) for name, each in state.workers.items()}
        return (dict(state.jobs), dict(state.remembered), workers, dict(state.producers), dict(state.metadata))

    async def damage(self, configuration: DriverConfiguration, job_id: JobID, how: Damage) -> None:
        """Through the store's back door."""
        request = GARBLED if how is Damage.GARBLED_REQUEST else None
        self.store.damage(configuration.queue_key, job_id, request, wrong_type=how is Damage.WRONG_TYPE)

    @asynccontextmanager
    async def drop_reply(self) -> AsyncGenerator[None]:
        """The next step is made twice, as after a lost reply."""
        self.replies.armed = True
        try:
            yield
        finally:
            self.replies.armed = False
