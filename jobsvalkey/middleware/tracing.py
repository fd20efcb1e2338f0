"""Tracing: a span for the push of a job and one for each run, linked by a context that travels with the job."""

from contextvars import ContextVar, Token
from dataclasses import dataclass

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider

from jobsvalkey.contract import JobID
from jobsvalkey.middleware.protocol import CompletedJob, JobOutcome, Middleware, PoppedJob, PushedJob

_FAILURES = frozenset({JobOutcome.FAILED, JobOutcome.RETRIED})


@dataclass(frozen=True, slots=True)
class _Run:
    job_id: JobID
    span: Span
    token: Token[context.Context]
    outer: "_Run | None"
    """That of the handler which runs this job in its own task, as tests do."""


class TracingMiddleware(Middleware):
    """Traces jobs by OpenTelemetry and its semantic conventions for messaging.

    A push makes the span `create NAME` (a producer), whose context travels with the job by the propagators that are set
    up, W3C Trace Context by default. It says that the job was made, not that it was stored: a duplicate, for example,
    has such a span, too. Each run makes the span `process NAME` (a consumer), which is current while the handler runs,
    links to the first one, and is its child.

    Args:
        tracer_provider: `None` means the global one.
        separate_traces: whether each run is a trace of its own, with only a link to the push: for jobs that run days
            later.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None, *, separate_traces: bool = False) -> None:
        self._tracer = trace.get_tracer("jobsvalkey", tracer_provider=tracer_provider)
        self._separate_traces = separate_traces
        # A job's hooks are called in one task, so this names the run that the task is busy with.
        self._run: ContextVar[_Run | None] = ContextVar("jobsvalkey_run", default=None)

    async def on_push(self, job: PushedJob) -> None:
        """Make the producer's span, and have its context travel with the job."""
        # It ends here, and is no "send" span: one round trip sends the jobs of many pushes.
        attributes = _attributes("create", job)
        with self._tracer.start_as_current_span(f"create {job.name}", kind=SpanKind.PRODUCER, attributes=attributes):
            propagate.inject(job.trace)

    async def on_pop(self, job: PoppedJob) -> None:
        """Begin the consumer's span and make it the current one."""
        # Not the context of the worker's task: what the worker was started in has nothing to do with the job.
        came_with = propagate.extract(job.trace, context=context.Context())
        creation = trace.get_current_span(came_with).get_span_context()
        span = self._tracer.start_span(
            f"process {job.name}",
            context.Context() if self._separate_traces else came_with,
            kind=SpanKind.CONSUMER,
            attributes=_attributes("process", job) | {"jobsvalkey.job.attempt": job.attempt},
            links=[Link(creation)] if creation.is_valid else [],
        )
        token = context.attach(trace.set_span_in_context(span, came_with))
        self._run.set(_Run(job.job_id, span, token, self._run.get()))

    async def on_completed(self, job: CompletedJob) -> None:
        """End the consumer's span, with the error if the run has failed."""
        run = self._run.get()
        if run is None or run.job_id != job.job_id:
            return  # it did not run, or was cancelled before its `on_pop` came to this
        self._run.set(run.outer)
        context.detach(run.token)
        run.span.set_attribute("jobsvalkey.job.outcome", job.outcome)
        try:
            if job.error is not None and job.outcome in _FAILURES:
                _record_error(run.span, job.error)
        finally:
            run.span.end()


def _record_error(span: Span, error: BaseException) -> None:
    kind = type(error).__qualname__
    span.set_attribute("error.type", kind)
    try:
        span.set_status(Status(StatusCode.ERROR, f"{kind}: {error}"))
        span.record_exception(error)
    except BaseException as broken:
        # An error whose text cannot be had may raise anything when it is asked for it.
        text = f"(its text cannot be had: {type(broken).__qualname__})"
        span.set_status(Status(StatusCode.ERROR, f"{kind}: {text}"))
        span.add_event("exception", {"exception.type": kind, "exception.message": text})


def _attributes(operation: str, job: PushedJob | PoppedJob) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "messaging.system": "jobsvalkey",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        # What a handler subscribes to is the job's name; where the jobs are kept is the driver's business.
        "messaging.destination.name": job.name,
        "messaging.message.id": str(job.job_id),
    }
    if job.scheduled_at is not None:
        attributes["jobsvalkey.job.scheduled_at"] = job.scheduled_at.isoformat()
    return attributes
