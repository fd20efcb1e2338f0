"""Everything that runs jobs on any driver: queue, registry, codec, processor, retry."""

from jobsvalkey.runtime.context import JobContext
from jobsvalkey.runtime.failure import JobError
from jobsvalkey.runtime.flow import Flow, FlowJob
from jobsvalkey.runtime.inputs import JobInput
from jobsvalkey.runtime.inspection import RecordPage
from jobsvalkey.runtime.job import Handler, JobDefinition, JobFail, JobOptions, JobSleep, Push
from jobsvalkey.runtime.multi_queue import MultiQueueProcessor
from jobsvalkey.runtime.options import ActiveLock, ProcessorOptions
from jobsvalkey.runtime.partitioned import PartitionedQueue
from jobsvalkey.runtime.processor import Processor, ProcessorState
from jobsvalkey.runtime.progress import Progress
from jobsvalkey.runtime.queue import JobQueue
from jobsvalkey.runtime.record import JobRecord, RunRecord
from jobsvalkey.runtime.results import JobCancelled, JobDone, JobFailed, JobGone
from jobsvalkey.runtime.retry import ExponentialJitter, NoRetry, RetryStrategy
from jobsvalkey.runtime.runner import JobRunner
from jobsvalkey.runtime.state import GIVEN
from jobsvalkey.runtime.task import Task, TaskWithOptions
from jobsvalkey.runtime.values import Values
from jobsvalkey.runtime.worker_record import WorkerRecord

__all__ = [
    "GIVEN",
    "ActiveLock",
    "ExponentialJitter",
    "Flow",
    "FlowJob",
    "Handler",
    "JobCancelled",
    "JobContext",
    "JobDefinition",
    "JobDone",
    "JobError",
    "JobFail",
    "JobFailed",
    "JobGone",
    "JobInput",
    "JobOptions",
    "JobQueue",
    "JobRecord",
    "JobRunner",
    "JobSleep",
    "MultiQueueProcessor",
    "NoRetry",
    "PartitionedQueue",
    "Processor",
    "ProcessorOptions",
    "ProcessorState",
    "Progress",
    "Push",
    "RecordPage",
    "RetryStrategy",
    "RunRecord",
    "Task",
    "TaskWithOptions",
    "Values",
    "WorkerRecord",
]
