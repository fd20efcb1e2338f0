"""The part of a cleanup that is the same for every driver: its loops, and the jobs that run it on a schedule."""

from abc import abstractmethod
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Protocol

from jobsvalkey.contract.claims import Claim, Operation, WorkerID
from jobsvalkey.contract.cleaning import CleanupParameters, JobCleanup, OrphanedCleanupParameters
from jobsvalkey.contract.job_id import JobID
from jobsvalkey.contract.names import AnyServiceJob, JobName, ServiceJob
from jobsvalkey.contract.records import StoredJob
from jobsvalkey.contract.states import JobStatus

CHUNK = 100
"""Jobs in one step of a cleanup: about a millisecond of the server's time, which others want as well."""


class CleanupLoops(Protocol):
    """Adds `cleanup`, `cleanup_orphaned_jobs` and the service jobs to a driver that has the single steps."""

    service_job_prefix: str
    """The beginning of the names of the driver's service jobs."""
    service_job_suffix: str
    """The end of those names: the queue's key, so that two queues in one process keep theirs apart."""

    @abstractmethod
    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        """See `QueueDriver`."""

    @abstractmethod
    async def counts(self) -> dict[JobStatus, int]:
        """See `InspectionDriver`."""

    @abstractmethod
    async def get(self, job_id: JobID) -> StoredJob | None:
        """See `InspectionDriver`."""

    @abstractmethod
    async def cleanup_step(
        self,
        status: JobStatus,
        cleanup: JobCleanup,
        *,
        max_jobs: int,
        only_orphans: bool = False,
        except_for: JobID | None = None,
        as_of: datetime | None = None,
        operation: Operation | None = None,
    ) -> int:
        """See `CleanupDriver`."""

    async def cleanup(
        self,
        *,
        pending_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        processing_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        completed_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        failed_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        cancelled_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        paused_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        only_orphans: bool = False,
    ) -> dict[JobStatus, int]:
        """Clean up, state by state, in chunks; return the number of jobs cleaned up in each state.

        Raises:
            ValueError: it would rerun pending or paused jobs, which have not run.
        """
        return await self._clean(
            CleanupParameters(
                pending_jobs=pending_jobs,
                processing_jobs=processing_jobs,
                completed_jobs=completed_jobs,
                failed_jobs=failed_jobs,
                cancelled_jobs=cancelled_jobs,
                paused_jobs=paused_jobs,
                only_orphans=only_orphans,
            )
        )

    async def _clean(self, parameters: CleanupParameters, claim: Claim | None = None) -> dict[JobStatus, int]:
        # Jobs that come into a state while it is cleaned (a rerun that fails again, say) are for the next
        # cleanup: no state is taken further than the number of jobs that were in it at the start.
        present = await self.counts()
        cleaned = dict.fromkeys(JobStatus, 0)
        itself = None if claim is None else await self.get(claim.job_id)
        as_of = None if itself is None else itself.claimed_at
        if claim is not None and as_of is None:
            return cleaned  # the claim was taken away, by another cleanup perhaps
        for status in JobStatus:
            cleanup: JobCleanup = getattr(parameters, f"{status}_jobs", JobCleanup.DO_NOTHING)
            if claim is not None and claim.reset_attempt and cleanup.action == "rerun":
                cleanup = JobCleanup.DO_NOTHING  # else two cleanup jobs would rerun each other for ever
            steps = self.cleanup_steps(
                status,
                cleanup,
                present[status],
                only_orphans=parameters.only_orphans,
                except_for=None if claim is None else claim.job_id,
                as_of=as_of,
            )
            async for done in steps:
                cleaned[status] += done
        return cleaned

    async def cleanup_steps(
        self,
        status: JobStatus,
        cleanup: JobCleanup,
        max_jobs: int,
        *,
        only_orphans: bool = False,
        except_for: JobID | None = None,
        as_of: datetime | None = None,
    ) -> AsyncGenerator[int]:
        """Clean up one state, step by step, until no job is left, or `max_jobs` are done; yield the number of jobs of
        each step."""
        done = 1
        while max_jobs > 0 and done > 0:
            done = await self.cleanup_step(
                status,
                cleanup,
                max_jobs=min(max_jobs, CHUNK),
                only_orphans=only_orphans,
                except_for=except_for,
                as_of=as_of,
            )
            max_jobs -= done
            yield done

    async def cleanup_orphaned_jobs(self, max_jobs: int | None = None) -> int:
        """Repeat `recover` until no job is left to recover, or `max_jobs` are recovered; return their number."""
        recovered = 0
        while max_jobs is None or recovered < max_jobs:
            wanted = CHUNK if max_jobs is None else min(CHUNK, max_jobs - recovered)
            done = await self.recover(wanted)
            recovered += done
            if done < wanted:
                break
        return recovered

    @property
    def cleanup_job(self) -> JobName[CleanupParameters]:
        """Names the job that runs `cleanup`, for a schedule."""
        return JobName(f"{self.service_job_prefix}Cleanup{self.service_job_suffix}", CleanupParameters)

    @property
    def orphan_cleanup_job(self) -> JobName[OrphanedCleanupParameters]:
        """Names the job that runs `cleanup_orphaned_jobs`, for a schedule."""
        name = f"{self.service_job_prefix}OrphanedCleanup{self.service_job_suffix}"
        return JobName(name, OrphanedCleanupParameters)

    @property
    def service_jobs(self) -> Sequence[AnyServiceJob]:
        """The two cleanup jobs with their handlers.

        A cleanup job leaves out itself and jobs that came into a state after it was claimed. It reruns nothing if it
        was rerun itself: so cleanups do not rerun each other for ever.
        """

        async def clean(parameters: CleanupParameters, claim: Claim) -> None:
            await self._clean(parameters, claim)

        async def recover(parameters: OrphanedCleanupParameters, _claim: Claim) -> None:
            await self.cleanup_orphaned_jobs(parameters.max_jobs)

        return (ServiceJob(self.cleanup_job, clean), ServiceJob(self.orphan_cleanup_job, recover))
