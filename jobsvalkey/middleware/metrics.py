"""Metrics: how many jobs come, run and end, and how long they wait and take."""

from contextvars import ContextVar

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from jobsvalkey.contract import JobID, UnknownJob
from jobsvalkey.middleware.protocol import CompletedJob, JobOutcome, Middleware, PoppedJob, PushedJob

QUEUED = "jobsvalkey.job.queued"
PROCESSING = "jobsvalkey.job.processing"
RUNS = "jobsvalkey.job.runs"
DURATION = "jobsvalkey.job.duration"
WAIT = "jobsvalkey.job.wait"

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
"""The boundaries of the histograms' buckets."""
UNREADABLE = "(unreadable)"
"""Stands for the name of a job whose request is missing or corrupt."""
UNKNOWN = "(unknown)"
"""Stands for the names of jobs that are not registered: anybody can push any number of them."""
OTHER = "(other)"
"""Stands for each name beyond the first `MOST_NAMES` that this middleware has met."""
MOST_NAMES = 1000


class MetricsMiddleware(Middleware):
    """Measures jobs by OpenTelemetry. Each instrument has the attribute `job.name`.

    That is `(unreadable)` if the request of a job is missing or corrupt, `(unknown)` if the job is not registered, and
    `(other)` for each name beyond the first 1,000, so that names cannot fill the memory of the metrics store.

    - `jobsvalkey.job.queued`: jobs that were stored by this process (counter, `{job}`)
    - `jobsvalkey.job.processing`: jobs that run now in this process (up-down counter, `{job}`)
    - `jobsvalkey.job.runs`: runs that came to an end, by the attribute `job.outcome`: `succeeded`, `failed`, `retried`,
      `slept`, `cancelled`, `discarded` (counter, `{run}`)
    - `jobsvalkey.job.duration`: how long a handler ran, by `job.outcome` (histogram, seconds)
    - `jobsvalkey.job.wait`: from when a job was due to when its handler starts (histogram, seconds)

    Args:
        meter_provider: `None` means the global one.
    """

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        meter = metrics.get_meter("jobsvalkey", meter_provider=meter_provider)
        self._queued = meter.create_counter(QUEUED, "{job}", "Jobs that were stored")
        self._processing = meter.create_up_down_counter(PROCESSING, "{job}", "Jobs that run now")
        self._runs = meter.create_counter(RUNS, "{run}", "Runs of jobs that came to an end, by outcome")
        self._duration = meter.create_histogram(
            DURATION, "s", "How long a handler ran", explicit_bucket_boundaries_advisory=SECONDS
        )
        self._wait = meter.create_histogram(
            WAIT, "s", "From when a job was due to when its handler starts", explicit_bucket_boundaries_advisory=SECONDS
        )
        self._names: set[str] = set()
        # The jobs that the task runs and that are counted, for one may run another, as tests do. The end of a job
        # that was cancelled before its `on_pop` came to this must not be counted down.
        self._running: ContextVar[tuple[JobID, ...]] = ContextVar("jobsvalkey_running", default=())

    def _label(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= MOST_NAMES:
                return OTHER
            self._names.add(name)
        return name

    async def on_pushed(self, job: PushedJob, stored: bool) -> None:
        """Count what was stored."""
        if stored:
            self._queued.add(1, {"job.name": self._label(job.name)})

    async def on_pop(self, job: PoppedJob) -> None:
        """Count what begins, and note how late it is."""
        attributes = {"job.name": self._label(job.name)}
        self._processing.add(1, attributes)
        self._running.set((*self._running.get(), job.job_id))
        self._wait.record(job.waited, attributes)

    async def on_completed(self, job: CompletedJob) -> None:
        """Count what ends, and note how long it took."""
        if job.name is None:
            name = UNREADABLE
        elif job.outcome is JobOutcome.DISCARDED and isinstance(job.error, UnknownJob):
            name = UNKNOWN
        else:
            name = self._label(job.name)
        outcome = {"job.name": name, "job.outcome": job.outcome.value}
        self._runs.add(1, outcome)
        running = self._running.get()
        if running[-1:] == (job.job_id,):
            self._running.set(running[:-1])
            self._processing.add(-1, {"job.name": name})
            self._duration.record(job.duration, outcome)
