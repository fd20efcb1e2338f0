"""The public names, all of them: whoever adds or removes one does it here as well."""

import importlib
import pkgutil

import jobsvalkey

NAMES = """
CAPABILITY_PROTOCOLS DO_NOT_RETAIN FINISHED RETAIN Accuracy ActiveLock AnyServiceJob CallNext CancellableDriver
Capability Claim ClaimLost CleanupDriver CleanupLoops CleanupOptions CleanupParameters Clock CompletedJob
ConfigurationError Dates Day DriverConfiguration Due DuplicateJob DuplicateSchedule DurableDriver Exchanged
ExclusiveLock ExponentialJitter Fail Finish Handler Inconsistency InconsistencyKind InspectionDriver InvalidParameters
JobAbandoned JobCleanup JobContext JobDefinition JobError JobFail JobID JobIDGenerator JobName JobOptions JobOutcome
JobParameters JobQueue JobRecord JobRunner JobSchedule JobService JobSleep JobStatus JobTimeout JobsError
MetadataDriver MetricsMiddleware Middleware Month NamedParameters NewJob NoRetry Operation OperationRefused
OrphanedCleanupParameters Outcome PayloadTooLarge PoppedJob Processor ProcessorOptions ProcessorState Push
PushIncomplete PushTooLarge PushedIf PushedJob QueueDriver Release ResumableDriver Retention RetentionPolicy Retry
RetryStrategy Schedule ScheduledJob Scheduler SchedulerOptions SchedulingDriver ServiceHealth ServiceJob Settlement
StoreFull StoreUnavailable StoredJob SystemClock TracingMiddleware UnknownJob UnsupportedOperation ValkeyConfiguration
ValkeyJobQueue WorkerClosed WorkerID aware check_due check_expiry check_metadata_key check_push check_request
check_settlements new_job_id retain_for
retain_last
"""


def test_the_public_names_are_these() -> None:
    assert list(jobsvalkey.__all__) == NAMES.split()


def test_each_is_there() -> None:
    assert [name for name in jobsvalkey.__all__ if not hasattr(jobsvalkey, name)] == []


def test_nothing_that_a_part_exports_is_left_out() -> None:
    parts = [name for _, name, is_package in pkgutil.iter_modules(jobsvalkey.__path__) if is_package and name != "cli"]
    exported = {name for part in parts for name in importlib.import_module(f"jobsvalkey.{part}").__all__}
    assert exported ^ set(jobsvalkey.__all__) == set()
