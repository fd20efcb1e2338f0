"""JobService: queue, processor, scheduler and cleanup in one."""

from jobsvalkey.service.health import ServiceHealth
from jobsvalkey.service.job_service import JobService, Lifespan
from jobsvalkey.service.options import CleanupOptions
from jobsvalkey.service.probes import HttpOptions

__all__ = ["CleanupOptions", "HttpOptions", "JobService", "Lifespan", "ServiceHealth"]
