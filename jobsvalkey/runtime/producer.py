"""From parameters to a stored job."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, cast

from jobsvalkey.contract import (
    Capability,
    ConfigurationError,
    JobID,
    JobsError,
    NewJob,
    NotDurable,
    Pushed,
    PushIncomplete,
    QueueDriver,
    RefusalKind,
    StoreOutcome,
    UnknownParent,
    UnsupportedOperation,
    check_request,
    new_job_id,
    refusals,
)
from jobsvalkey.middleware import PushedJob
from jobsvalkey.runtime.codec import RequestEncoder
from jobsvalkey.runtime.job import JobOptions
from jobsvalkey.runtime.middleware_chain import MiddlewareChain

_KEPT_FOR_OTHERS: Final = timedelta(minutes=5)
"""How long a parent in a flow is kept, so that its result is stored."""

_REFUSED = {RefusalKind.UNKNOWN_PARENT: UnknownParent, RefusalKind.UNSUPPORTED: UnsupportedOperation}


def check_refusal(pushed: Pushed) -> None:
    """Raise the error that a refusal stands for, if the job was refused.

    Raises:
        UnknownParent, UnsupportedOperation, ConfigurationError: it was.
    """
    if pushed.reason is not None:
        raise _REFUSED.get(pushed.reason.kind, ConfigurationError)(pushed.reason.message)


def check_divided(options: Iterable[JobOptions]) -> None:
    """Raise `ValueError` for jobs with parents that are not pushed in one step."""
    if any(each.after for each in options):
        raise ValueError("jobs that come after others are pushed in one step: leave out atomic=False")


class Producer:
    """Encodes jobs and gives them to the driver."""

    def __init__(
        self,
        driver: QueueDriver,
        encode: RequestEncoder,
        chain: MiddlewareChain,
        kept: Mapping[str, timedelta],
        make_id: Callable[[], JobID] = new_job_id,
    ) -> None:
        self._driver = driver
        self._kept = kept
        self._can_keep = Capability.RESULTS in driver.capabilities
        self._can_promise = Capability.DURABILITY in driver.capabilities
        self._encode = encode
        self._chain = chain
        self._make_id = make_id
        self._plain: JobOptions | None = None
        """The last options that ask for nothing: a job with them is looked at no further."""

    def _id_of(self, options: JobOptions) -> JobID:
        given: Any = options.job_id  # `JobOptions` has made a `JobID` of it
        return self._make_id() if given is None else given

    async def prepare(
        self,
        name: str,
        parameters: Any,
        kind: Any,
        options: JobOptions,
        next_scheduled_at: datetime | None = None,
        job_id: JobID | None = None,
    ) -> tuple[NewJob, PushedJob | None]:
        """Return the job to store, and what the middleware is told of it, if there is any."""
        job_id = job_id or self._id_of(options)
        if not self._chain.at_push:
            now = self._driver.clock.now()
            return self._new(job_id, name, parameters, kind, options, now, None, next_scheduled_at), None
        trace = dict[str, str]()
        pushed = PushedJob(
            job_id=job_id,
            name=name,
            parameters=parameters,
            due=options.due,
            scheduled_at=None if next_scheduled_at is None else options.delay_until,
            trace=trace,
        )
        await self._chain.push(pushed)
        now = self._driver.clock.now()
        return self._new(job_id, name, parameters, kind, options, now, trace, next_scheduled_at), pushed

    def _new(
        self,
        job_id: JobID,
        name: str,
        parameters: Any,
        kind: Any,
        options: JobOptions,
        now: datetime,
        trace: dict[str, str] | None = None,
        next_scheduled_at: datetime | None = None,
    ) -> NewJob:
        # A scheduled job has its trigger in place of the time of its push, as Swift writes it.
        queued_at = now if next_scheduled_at is None or options.delay_until is None else options.delay_until
        request = self._encode(
            name,
            parameters,
            queued_at,
            kind,
            trace=trace,
            next_scheduled_at=next_scheduled_at,
        )
        return self._item(job_id, name, request, options)

    def _item(self, job_id: JobID, name: str, request: bytes, options: JobOptions) -> NewJob:
        if options is self._plain and name not in self._kept:
            return NewJob(job_id, request)
        if options.if_failed != "cancel" and not options.after:
            raise ValueError("if_failed says what becomes of a job whose parents do not complete: give after as well")
        if options.durability is not None and not self._can_promise:
            raise UnsupportedOperation(
                f"{type(self._driver).__name__} lacks the capability {Capability.DURABILITY.value!r}: leave out "
                "durability, or use a driver that has it"
            )
        keep_for = self._kept.get(name) if options.keep_for is None else options.keep_for
        is_plain = keep_for is options.unique is options.expires_in is options.expires_at is options.lane is None
        if is_plain and options.priority == 0 and not options.after and options.batch is None:
            if options.due is options.job_id is options.durability is None:
                self._plain = options
            return NewJob(job_id, request, options.due, options.job_id is not None, durability=options.durability)
        if keep_for is not None and not self._can_keep:
            raise UnsupportedOperation(
                f"job {name!r} is to be kept for its result, and {type(self._driver).__name__} lacks the "
                f"capability {Capability.RESULTS.value!r}: leave out keep_for and keep_result, or use one that has it"
            )
        item = NewJob(
            *(job_id, request, options.due, options.job_id is not None),
            keep_for=keep_for,
            expires=options.expires,
            durability=options.durability,
            unique=options.unique,
            priority=options.priority,
            lane=options.lane,
            after=cast("tuple[JobID, ...]", options.after),  # `JobOptions` has made these of them
            if_failed=options.if_failed,
            batch=cast("JobID | None", options.batch),
        )
        for refused in refusals((item,), self._driver.capabilities):
            check_refusal(refused)
        return item

    def item(self, name: str, parameters: Any, kind: Any, options: JobOptions) -> NewJob:
        """Return the job to store, of which no middleware is told."""
        job_id, now = self._id_of(options), self._driver.clock.now()
        return self._item(job_id, name, self._encode(name, parameters, now, kind), options)

    async def push(self, name: str, parameters: Any, kind: Any, options: JobOptions) -> Pushed:
        """Store one job; what became of it."""
        if not self._chain.at_push:
            (done,) = await self._driver.push((self.item(name, parameters, kind, options),))
            check_refusal(done)
            return done
        return await self._push_one(await self.prepare(name, parameters, kind, options))

    async def _push_one(self, prepared: tuple[NewJob, PushedJob | None]) -> Pushed:
        item, pushed = prepared
        (done,) = await self._driver.push((item,))
        check_refusal(done)
        if pushed is not None:
            await self._chain.pushed(pushed, done.outcome is StoreOutcome.STORED)
        return done

    async def open_batch(self, name: str, parameters: Any, kind: Any, options: JobOptions) -> JobID:
        """Store the callback of a batch; the id of the job that stands."""
        job_id = self._id_of(options)
        options = replace(options, batch=job_id)
        return (await self._push_one(await self.prepare(name, parameters, kind, options, job_id=job_id))).job_id

    async def push_flow(
        self, jobs: Sequence[tuple[str, Any, Any, JobOptions]], parents: Sequence[Sequence[int]]
    ) -> list[JobID]:
        """Store jobs in one step, each of which comes after those of them that `parents` has; their ids."""
        ids = [self._id_of(options) for *_, options in jobs]
        awaited = {number for numbers in parents for number in numbers}
        is_kept = not self._can_keep or self._driver.configuration.retention_policy.completed_jobs.keeps
        prepared: list[tuple[NewJob, PushedJob | None]] = []
        for number, (name, parameters, kind, options) in enumerate(jobs):
            after = dict.fromkeys([*cast("tuple[JobID, ...]", options.after), *(ids[each] for each in parents[number])])
            options = options.with_parents(after)
            if number in awaited and options.keep_for is None and name not in self._kept and not is_kept:
                options = replace(options, keep_for=_KEPT_FOR_OTHERS)
            prepared.append(await self.prepare(name, parameters, kind, options, job_id=ids[number]))
        answer = await self._push([item for item, _ in prepared])
        await self._tell(prepared, answer)
        return [pushed.job_id for pushed in answer]

    async def push_many(self, jobs: Sequence[tuple[str, Any, Any, JobOptions]], *, atomic: bool) -> list[JobID]:
        """Store many jobs, in one step or in chunks; their ids."""
        if not atomic:
            check_divided(options for *_, options in jobs)
        prepared: list[tuple[NewJob, PushedJob | None]] = []
        if self._chain.at_push:
            prepared = [await self.prepare(*job) for job in jobs]
            items = [item for item, _ in prepared]
        else:
            now = self._driver.clock.now()
            items = [
                self._item(self._id_of(options), name, self._encode(name, parameters, now, kind), options)
                for name, parameters, kind, options in jobs
            ]
        if atomic:
            answer = await self._push(items)
            await self._tell(prepared, answer)
            return [pushed.job_id for pushed in answer]
        for item in items:
            check_request(item.request, item.job_id, self._driver.configuration)
        done: list[JobID] = []
        for chunk in self._chunks(items):
            try:
                answer = await self._push(chunk)
            except JobsError as error:
                if isinstance(error, NotDurable):
                    done += error.job_ids
                raise PushIncomplete(
                    f"{len(done):,} of {len(items):,} jobs are stored, then the push broke off: {error}", stored=done
                ) from error
            await self._tell(prepared[len(done) :], answer)
            done += [pushed.job_id for pushed in answer]
        return done

    async def _push(self, items: Sequence[NewJob]) -> list[Pushed]:
        answer = await self._driver.push(items)
        for pushed in answer[:1]:  # a push is refused as a whole
            check_refusal(pushed)
        return answer

    async def _tell(self, prepared: Sequence[tuple[NewJob, PushedJob | None]], answer: Sequence[Pushed]) -> None:
        for (_, pushed), done in zip(prepared, answer, strict=False):
            if pushed is not None:
                await self._chain.pushed(pushed, done.outcome is StoreOutcome.STORED)

    def _chunks(self, items: Sequence[NewJob]) -> Iterator[list[NewJob]]:
        """As few pushes as the limits of one allow."""
        limits = self._driver.configuration
        chunk: list[NewJob] = []
        size = 0
        for item in items:
            size += len(item.request)
            if chunk and (len(chunk) == limits.max_atomic_push or size > limits.max_atomic_push_bytes):
                yield chunk
                chunk, size = [], len(item.request)
            chunk.append(item)
        if chunk:
            yield chunk
