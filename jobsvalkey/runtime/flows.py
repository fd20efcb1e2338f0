"""The methods of a queue that push jobs which wait for others."""

from typing import Any, Generic, TypeVar, overload
from uuid import UUID

from jobsvalkey.contract import Capability, JobID, JobName, JobParameters, NamedParameters, QueueDriver
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime.capabilities import FlowQueueDriver, require
from jobsvalkey.runtime.flow import Flow
from jobsvalkey.runtime.job import JobOptions, options_for, unpack_job, with_parameters
from jobsvalkey.runtime.producer import Producer

P = TypeVar("P")
D_co = TypeVar("D_co", bound=QueueDriver, covariant=True)

_DEFAULT_OPTIONS = JobOptions()


class JobFlows(Generic[D_co]):
    """A queue whose jobs can wait for others."""

    _driver: D_co
    _capabilities: frozenset[Capability]
    _producer: Producer

    async def push_flow(self: "JobFlows[FlowQueueDriver]", flow: Flow, /) -> list[JobID]:
        """Store the jobs of a flow, all or none of them, in one step. A job runs when its parents have ended.

        A parent in the flow is kept for five minutes after its end, so that its result reaches its children, unless its
        options, its `keep_result` or the retention policy set another time.

        Returns:
            The ids of the stored jobs, in the order in which they were added. For a duplicate it is that of the
            existing job.

        Raises:
            UnknownParent: a parent is not there; nothing is stored.
            ConfigurationError: a parent would not be kept after its end; nothing is stored.
            InvalidParameters, PayloadTooLarge: for any of the jobs; nothing is stored.
            PushTooLarge: too many jobs, or bytes, for one step; nothing is stored.
            StoreUnavailable: the store did not answer in time; its `outcome` says whether the jobs may be there.
        """
        require(self._driver, self._capabilities, Capability.FLOWS)
        check_option("flow", flow, Flow)
        return await self._producer.push_flow(
            [(*unpack_job(push.job), options_for(push.job, push.options)) for push, _ in flow.jobs],
            [[parent.number for parent in parents] for _, parents in flow.jobs],
        )

    @overload
    async def open_batch(
        self: "JobFlows[FlowQueueDriver]", job: JobName[P], parameters: P, /, *, options: JobOptions = ...
    ) -> JobID: ...

    @overload
    async def open_batch(
        self: "JobFlows[FlowQueueDriver]", job: NamedParameters[Any], /, *, options: JobOptions = ...
    ) -> JobID: ...

    @overload
    async def open_batch(
        self: "JobFlows[FlowQueueDriver]", job: JobParameters, /, *, options: JobOptions = ...
    ) -> JobID: ...

    async def open_batch(
        self: "JobFlows[FlowQueueDriver]", job: Any, /, *parameters: Any, options: JobOptions = _DEFAULT_OPTIONS
    ) -> JobID:
        """Store a job that runs once the batch is closed and all jobs that were pushed with its id as `batch` have
        ended.

        Returns:
            The id of the job, which is also the id of the batch.

        Raises:
            ValueError: `options` say `after` or `batch`.
            JobsError: the errors of `push`.
        """
        require(self._driver, self._capabilities, Capability.FLOWS)
        check_option("options", options, JobOptions)
        if options.after or options.batch is not None:
            raise ValueError("the callback of a batch waits for its members alone: leave out after and batch")
        job = with_parameters(job, parameters)
        return await self._producer.open_batch(*unpack_job(job), options_for(job, options))

    async def close_batch(self: "JobFlows[FlowQueueDriver]", batch: JobID | UUID | str) -> bool:
        """Let the callback of a batch run when its members have ended, including those that members still push.

        Returns:
            `False`: the callback is no longer waiting, is absent or is not a callback, or the batch was closed before.
        """
        require(self._driver, self._capabilities, Capability.FLOWS)
        return await self._driver.close_batch(JobID.parse(batch))
