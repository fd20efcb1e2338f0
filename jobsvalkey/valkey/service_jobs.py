"""The cleanup jobs, as a Swift service may ask for them, too."""

from collections.abc import Sequence

import msgspec

from jobsvalkey.contract import AnyServiceJob, Claim, CleanupParameters, JobCleanup, JobName, JobStatus, ServiceJob
from jobsvalkey.valkey.cleanup import ValkeyCleanup
from jobsvalkey.valkey.inspection import ValkeyInspection
from jobsvalkey.valkey.jobs import ValkeyJobs


class AskedCleanup(CleanupParameters, frozen=True):
    """A cleanup that is read from the queue. Swift has another word for resuming paused jobs: it reruns them."""

    def __post_init__(self) -> None:
        pass


class ValkeyServiceJobs(ValkeyJobs, ValkeyInspection, ValkeyCleanup):
    """The jobs that the driver brings along."""

    @property
    def service_jobs(self) -> Sequence[AnyServiceJob]:
        """The two cleanup jobs with their handlers."""

        async def clean(asked: CleanupParameters, claim: Claim) -> None:
            if asked.paused_jobs.action == "rerun":
                async for job in self.jobs(JobStatus.PAUSED):
                    await self.resume(job.job_id)
                asked = msgspec.structs.replace(asked, paused_jobs=JobCleanup.DO_NOTHING)
            await self._clean(asked, claim)

        _, recovering = super().service_jobs
        return (ServiceJob(JobName(self.cleanup_job.name, AskedCleanup), clean), recovering)
