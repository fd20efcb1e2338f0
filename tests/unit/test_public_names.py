"""The public names, all of them: whoever adds or removes one does it here as well."""

import importlib
import pkgutil

import pytest

import jobsvalkey
from jobsvalkey import contract

WRITTEN_BY_USERS = """
DO_NOT_RETAIN GIVEN RETAIN AbortOutcome Accuracy ActiveLock Activity BatchCounts BlockingJobQueue CallNext ClaimLost
CleanupOptions CleanupParameters CompletedJob ConfigurationError Day DuplicateJob DuplicateSchedule Durability
ExclusiveLock ExponentialJitter Flow FlowJob Handler HttpOptions Inconsistency InconsistencyKind InvalidParameters
JobAbandoned JobCancelled JobCleanup JobContext JobDefinition JobDone JobError JobFail JobFailed JobGone JobID JobInput
JobName JobOptions JobOutcome JobParameters JobQueue JobRecord JobRunner JobSchedule JobService JobSleep JobStatus
JobTimeout JobsError LaneLimit Lifespan Load MetricsMiddleware Middleware Month MultiQueueProcessor NamedParameters
NoRetry NotDurable PartitionedQueue PayloadTooLarge PoppedJob Processor ProcessorOptions ProcessorState Progress Push
PushIncomplete PushTooLarge Pushed PushedJob RecordPage Retention RetentionPolicy RetryStrategy RunRecord Schedule
ScheduledJob Scheduler SchedulerOptions ServiceHealth StoreFull StoreOutcome StoreUnavailable StoredLane Task
TaskWithOptions TracingMiddleware Unique UnknownJob UnknownParent UnsupportedOperation ValkeyConfiguration
ValkeyJobQueue Values WorkerRecord new_job_id retain_for retain_last
"""
"""In `jobsvalkey`."""

WRITTEN_BY_AUTHORS_OF_DRIVERS = """
CAPABILITY_PROTOCOLS EXPIRED FINISHED LONGEST_LINE MOST_CHILDREN MOST_EXPIRED MOST_LIMITS MOST_PARENTS MOST_RUNS
PARENT_FAILED AbortableDriver ActivityDriver Cancel AnyServiceJob CallNames CancellableDriver Capability Claim
CleanupDriver CleanupLoops Clock DriverConfiguration Due DurableDriver Exchanged Fail Finish FlowDriver Hints
HoldProblem Input InspectionDriver JobIDGenerator JobPage LaneDriver LanePage check_lane_pattern hold_refusal
MetadataDriver NewJob Numbering Operation OperationRefused OrphanedCleanupParameters PausableDriver PushedIf
QueueDriver Refusal RefusalKind Release Renewed Report ResultsDriver ResumableDriver Retry SchedulingDriver ServiceJob
SettleOutcome Settlement StoredJob StoredRun StoredWorker SystemClock WorkerClosed WorkerID aware check_about
check_bytes check_due check_expiry check_metadata_key check_push check_reports check_request check_sequence
check_settlements digest_of first_line limit_of refusals resolve_due
"""
"""In `jobsvalkey.contract` alone."""

IMPORTED_ON_USE = {"cli", "dashboard", "integrations"}
"""Their names are imported from them: they need packages that not everybody has installed."""


def test_the_public_names_are_these() -> None:
    assert list(jobsvalkey.__all__) == WRITTEN_BY_USERS.split()


def test_the_contract_exports_what_authors_write_as_well() -> None:
    assert sorted(set(contract.__all__) - set(jobsvalkey.__all__)) == sorted(WRITTEN_BY_AUTHORS_OF_DRIVERS.split())


@pytest.mark.parametrize("module", [jobsvalkey, contract])
def test_each_is_there(module: object) -> None:
    assert [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)] == []


def test_nothing_that_a_part_exports_is_left_out() -> None:
    modules = pkgutil.iter_modules(jobsvalkey.__path__)
    parts = [name for _, name, is_package in modules if is_package and name not in IMPORTED_ON_USE]
    exported = {name for part in parts for name in importlib.import_module(f"jobsvalkey.{part}").__all__}
    assert exported - set(contract.__all__) == set(jobsvalkey.__all__) - set(contract.__all__)
