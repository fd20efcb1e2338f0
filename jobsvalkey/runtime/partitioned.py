"""A queue in several parts, each on a driver of its own: for more work than one primary can bear."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

from jobsvalkey.contract import (
    AbortOutcome,
    Activity,
    JobID,
    JobStatus,
    Load,
    Pushed,
    PushIncomplete,
)
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime.arguments import check_jobs
from jobsvalkey.runtime.flow import Flow
from jobsvalkey.runtime.job import JobOptions, Push
from jobsvalkey.runtime.multi_queue import MultiQueueProcessor
from jobsvalkey.runtime.options import ProcessorOptions
from jobsvalkey.runtime.partitions import ids_of, partition_of
from jobsvalkey.runtime.producer import check_divided
from jobsvalkey.runtime.queue import JobQueue
from jobsvalkey.runtime.record import JobRecord
from jobsvalkey.runtime.registration import JobRegistration
from jobsvalkey.runtime.result_values import UNDECLARED
from jobsvalkey.runtime.results import JobDone
from jobsvalkey.runtime.worker_record import WorkerRecord

T = TypeVar("T")
_DEFAULT_OPTIONS = JobOptions()
_DEFAULT_PROCESSOR_OPTIONS = ProcessorOptions()


class PartitionedQueue(JobRegistration):
    """Several queues that are used as one, such as `{mail-0}` to `{mail-7}` of a cluster.

    A job goes to the part of its parents or its batch. Otherwise its unique name decides, or an id of your own; without
    either, the parts take turns. A flow is at one part. The id of a job says which part it is at, so later calls ask
    that part first, and the others if it is not there. Workers serve all parts equally, with a lock of their own at
    each: a part that is away does not stop the others.

    Order, retention by number and pauses hold per part. The number of parts, and their order, stay the same for the
    queue's life: to change it, let workers of the old parts run until those are empty, and push to the new ones.

    Args:
        partitions: the parts, in the same order in every process. Jobs are registered here, for all of them.

    Raises:
        ValueError: there is no part, or one is given twice.
        ConfigurationError: the parts write values differently, or have jobs of their own.
    """

    def __init__(self, partitions: Sequence[JobQueue[Any]]) -> None:
        self.partitions: tuple[JobQueue[Any], ...] = tuple(partitions)
        """The parts."""
        if not self.partitions:
            raise ValueError("a queue in parts needs one at least")
        if len({id(queue.driver) for queue in self.partitions}) < len(self.partitions):
            raise ValueError("a part is given twice: each has a driver of its own")
        first, *others = self.partitions
        number = len(self.partitions)
        super().__init__(first.become_partition(ids_of(0, number), None))
        for place, queue in enumerate(others, 1):
            queue.become_partition(ids_of(place, number), first)
        self._turn = itertools.count()

    def partition_of(self, *, job_id: JobID | UUID | str | None = None, unique: str | None = None) -> JobQueue[Any]:
        """Return the part where a unique name is held, or, without a name, where a job of this id is looked for first.

        Raises:
            ValueError: neither is given.
        """
        if unique is not None:
            # Not `hash`, which differs from process to process.
            return self.partitions[int.from_bytes(hashlib.sha256(unique.encode()).digest()[:8]) % len(self.partitions)]
        if job_id is None:
            raise ValueError("give an id or a unique name: without them a job goes to each part in turn")
        return self.partitions[partition_of(JobID.parse(job_id), len(self.partitions))]

    # Push.

    async def push(self, job: Any, /, *parameters: Any, options: JobOptions = _DEFAULT_OPTIONS) -> JobID:
        """Do as `JobQueue.push` does, at the part that the options decide, or at the next one in turn."""
        return await (self._fixed(options) or self._next()).push(job, *parameters, options=options)

    async def push_unless_held(self, job: Any, /, *parameters: Any, options: JobOptions = _DEFAULT_OPTIONS) -> Pushed:
        """Do as `JobQueue.push_unless_held` does, at the part that the options decide, or at the next one in turn."""
        return await (self._fixed(options) or self._next()).push_unless_held(job, *parameters, options=options)

    async def push_many(
        self, jobs: Iterable[Any], /, *, options: JobOptions = _DEFAULT_OPTIONS, atomic: bool = True
    ) -> list[JobID]:
        """Store many jobs: all or none of them, at one part; or, with `atomic=False`, any number, over all parts.

        Returns:
            The ids, in order.

        Raises:
            ValueError: they belong to several parts, and `atomic` is `True`.
            PushIncomplete: with `atomic=False`, a part failed; the error carries the ids that are stored, part by part.
            JobsError: the errors of `JobQueue.push_many`.
        """
        check_jobs(jobs)
        items = list(jobs)
        fixed = [self._fixed(item.options if isinstance(item, Push) else options) for item in items]
        if atomic:
            return await self._one_of(fixed, "push with atomic=False, or ").push_many(
                items, options=options, atomic=True
            )
        check_divided(item.options if isinstance(item, Push) else options for item in items)
        share = -(-len(items) // len(self.partitions))  # what has no place is dealt in blocks, so that steps are few
        first = next(self._turn)
        groups: dict[JobQueue[Any], list[int]] = {}
        for number, queue in enumerate(fixed):
            place = queue or self.partitions[(first + number // share) % len(self.partitions)]
            groups.setdefault(place, []).append(number)
        answers = await asyncio.gather(
            *(
                queue.push_many([items[number] for number in numbers], options=options, atomic=False)
                for queue, numbers in groups.items()
            ),
            return_exceptions=True,
        )
        return _in_order(len(items), list(groups.values()), answers)

    async def push_flow(self, flow: Flow, /) -> list[JobID]:
        """Do as `JobQueue.push_flow` does, at one part: that of its ids, names, parents and batches, or the next one in
        turn.

        Raises:
            ValueError: they belong to several parts.
            JobsError: the errors of `JobQueue.push_flow`.
        """
        check_option("flow", flow, Flow)
        fixed = [self._fixed(push.options) for push, _ in flow.jobs]
        return await self._one_of(fixed, "").push_flow(flow)

    async def open_batch(self, job: Any, /, *parameters: Any, options: JobOptions = _DEFAULT_OPTIONS) -> JobID:
        """Do as `JobQueue.open_batch` does. All members go to the part of the batch, which the batch's id says."""
        return await (self._fixed(options) or self._next()).open_batch(job, *parameters, options=options)

    async def close_batch(self, batch: JobID | UUID | str) -> bool:
        """Let the callback of a batch run when its members have ended."""
        return await self._ask(batch, lambda queue: queue.close_batch(batch), bool)

    # Jobs by id.

    async def cancel(self, job_id: JobID | UUID | str) -> bool:
        """Cancel a job that is pending, paused or waiting; `False` if it is none of these, and nothing changes."""
        return await self._ask(job_id, lambda queue: queue.cancel(job_id), bool)

    async def abort(self, job_id: JobID | UUID | str) -> AbortOutcome:
        """Cancel a job that has not run, or ask a running one to end."""
        return await self._ask(job_id, lambda queue: queue.abort(job_id), lambda found: found != AbortOutcome.NOTHING)

    async def pause(self, job_id: JobID | UUID | str) -> bool:
        """Set a pending job aside; `False` if it is not pending."""
        return await self._ask(job_id, lambda queue: queue.pause(job_id), bool)

    async def resume(self, job_id: JobID | UUID | str) -> bool:
        """Put a paused job back, or run a waiting one; `False` if it is neither."""
        return await self._ask(job_id, lambda queue: queue.resume(job_id), bool)

    async def rerun(self, job_id: JobID | UUID | str) -> bool:
        """Run a finished job again; `False` if it has not ended."""
        return await self._ask(job_id, lambda queue: queue.rerun(job_id), bool)

    async def remove(self, job_id: JobID | UUID | str) -> bool:
        """Remove a job that is not running; `False` if it runs, or is not there."""
        return await self._ask(job_id, lambda queue: queue.remove(job_id), bool)

    async def get(self, job_id: JobID | UUID | str) -> JobRecord | None:
        """Return the job as it is now, or `None`."""
        return await self._ask(job_id, lambda queue: queue.get(job_id), _is_there)

    async def status(self, job_id: JobID | UUID | str) -> JobStatus | None:
        """Return the job's state, or `None` if there is no such job."""
        return await self._ask(job_id, lambda queue: queue.status(job_id), _is_there)

    async def result(
        self,
        job: JobID | UUID | str,
        *,
        timeout: timedelta | None = None,
        type: Any = UNDECLARED,  # noqa: A002 - the name that it has wherever values are read
    ) -> Any:
        """Wait for a job to complete, and return what its handler returned. Errors are those of `JobQueue.result`."""
        return await (await self._find(job)).result(job, timeout=timeout, type=type)

    async def results(
        self,
        jobs: Iterable[JobID | UUID | str],
        *,
        timeout: timedelta | None = None,
        type: Any = UNDECLARED,  # noqa: A002 - the name that it has wherever values are read
    ) -> AsyncIterator[JobDone]:
        """Wait for jobs to end, and yield each of them once, as it ends, however it ends. Errors are those of
        `JobQueue.results`."""
        groups: dict[JobQueue[Any], list[JobID]] = {}
        for job_id in [JobID.parse(job) for job in jobs]:
            groups.setdefault(await self._find(job_id), []).append(job_id)
        async with AsyncExitStack() as stack:
            waits: dict[asyncio.Future[JobDone], AsyncIterator[JobDone]] = {}
            for queue, group in groups.items():
                results = cast("AsyncGenerator[JobDone]", queue.results(group, timeout=timeout, type=type))
                ended = await stack.enter_async_context(aclosing(results))
                waits[asyncio.ensure_future(anext(ended))] = ended
            try:
                while waits:
                    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                    for each in done:
                        ended = waits.pop(each)
                        if isinstance(each.exception(), StopAsyncIteration):
                            continue
                        yield each.result()
                        waits[asyncio.ensure_future(anext(ended))] = ended
            finally:
                for each in waits:
                    each.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    # All parts.

    async def pause_queue(self) -> None:
        """Let no worker claim a job from now on, at any part. Running jobs go on; pushes are stored as usual."""
        await asyncio.gather(*(queue.pause_queue() for queue in self.partitions))

    async def resume_queue(self) -> None:
        """Let workers claim jobs again, at every part."""
        await asyncio.gather(*(queue.resume_queue() for queue in self.partitions))

    async def is_queue_paused(self) -> bool:
        """Say whether every part is paused."""
        return all(await asyncio.gather(*(queue.is_queue_paused() for queue in self.partitions)))

    async def counts(self) -> dict[JobStatus, int]:
        """Count the jobs of all parts in each state; all states are listed."""
        counts = await asyncio.gather(*(queue.counts() for queue in self.partitions))
        return {status: sum(each[status] for each in counts) for status in JobStatus}

    async def load(self) -> list[Load]:
        """Return how much there is to do at each part, in the order of the parts."""
        return await asyncio.gather(*(queue.load() for queue in self.partitions))

    async def activity(self, *, since: datetime | None = None) -> list[list[Activity]]:
        """Return what the workers of each part did, minute by minute, in the order of the parts."""
        return await asyncio.gather(*(queue.activity(since=since) for queue in self.partitions))

    async def workers(self) -> list[list[WorkerRecord]]:
        """Return the workers of each part, in the order of the parts. A worker that serves all parts is listed at each
        of them."""
        return await asyncio.gather(*(queue.workers() for queue in self.partitions))

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[JobRecord]:
        """Iterate over the jobs in a state, one part after the other, each in the order of `JobQueue.jobs`."""
        check_option("limit", limit, int | None)
        left = limit
        for queue in self.partitions:
            async for record in queue.jobs(status, limit=left):
                yield record
                left = None if left is None else left - 1

    def processor(
        self, options: ProcessorOptions = _DEFAULT_PROCESSOR_OPTIONS, *, state: object = None
    ) -> MultiQueueProcessor:
        """Make a processor that runs the jobs of all parts, with equal weights and `num_workers` slots in all."""
        return MultiQueueProcessor(self.partitions, options, weights=[1.0] * len(self.partitions), state=state)

    # Where.

    def _fixed(self, options: JobOptions) -> JobQueue[Any] | None:
        check_option("options", options, JobOptions)
        others = [*options.after, *(() if options.batch is None else (options.batch,))]
        places = dict.fromkeys(self.partition_of(job_id=other) for other in others)
        if options.unique is not None:
            places[self.partition_of(unique=options.unique.key)] = None
        elif options.job_id is not None:
            places[self.partition_of(job_id=options.job_id)] = None
        if len(places) > 1:
            raise ValueError(
                "a job is at the part of its parents and its batch, and these belong to several, or to another one "
                "than its id or its unique name: push what belongs together as a flow, without ids of your own"
            )
        return next(iter(places), None)

    def _one_of(self, fixed: Iterable[JobQueue[Any] | None], advice: str) -> JobQueue[Any]:
        """The part where one step is done."""
        places = list(dict.fromkeys(queue for queue in fixed if queue is not None)) or [self._next()]
        if len(places) > 1:
            raise ValueError(
                f"these jobs belong to {len(places)} parts, and one step is at one of them: {advice}"
                "push without ids and unique names of your own"
            )
        return places[0]

    def _next(self) -> JobQueue[Any]:
        return self.partitions[next(self._turn) % len(self.partitions)]

    async def _ask(
        self,
        job_id: JobID | UUID | str,
        step: Callable[[JobQueue[Any]], Awaitable[T]],
        is_answer: Callable[[T], bool],
    ) -> T:
        """The answer of the part that has the job: the one that its id says, else whichever it is."""
        home = self.partition_of(job_id=job_id)
        answer = await step(home)
        for queue in self.partitions:
            if is_answer(answer):
                break
            if queue is not home:
                answer = await step(queue)
        return answer

    async def _find(self, job_id: JobID | UUID | str) -> JobQueue[Any]:
        async def look(queue: JobQueue[Any]) -> JobQueue[Any] | None:
            return None if await queue.status(job_id) is None else queue

        return await self._ask(job_id, look, _is_there) or self.partition_of(job_id=job_id)


def _is_there(found: object) -> bool:
    return found is not None


def _in_order(
    number: int, groups: Sequence[Sequence[int]], answers: Sequence[list[JobID] | BaseException]
) -> list[JobID]:
    """The ids in the order of the push, or the error that says which are stored."""
    ids: list[JobID | None] = [None] * number
    stored: list[JobID] = []
    failed: BaseException | None = None
    for numbers, answer in zip(groups, answers, strict=True):
        if isinstance(answer, BaseException):
            failed = answer
            if isinstance(answer, PushIncomplete):
                stored += answer.stored
            continue
        stored += answer
        for place, job_id in zip(numbers, answer, strict=True):
            ids[place] = job_id
    if failed is None:
        return [job_id for job_id in ids if job_id is not None]
    if not stored and not isinstance(failed, PushIncomplete):
        raise failed
    raise PushIncomplete(f"{len(stored):,} of {number:,} jobs are stored: {failed}", stored=stored) from failed
