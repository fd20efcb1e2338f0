"""The capability `CLEANUP`: rerun and removal in chunks, by state and age."""

from collections.abc import AsyncGenerator
from datetime import datetime

from jobsvalkey.contract import CleanupLoops, JobCleanup, JobID, JobStatus, Operation
from jobsvalkey.contract.cleanup import CHUNK
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.scripting import CLEANUP
from jobsvalkey.valkey.words import Cleanup

_START = b"0:0:0"


class ValkeyCleanup(ValkeyBase, CleanupLoops):
    """The capability `CLEANUP`; the steps of single jobs are in `ValkeyJobs`, and `CleanupLoops` has the rest."""

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
        """Clean up a chunk: up to `max_jobs` jobs of one state, the oldest first; return their number.

        If very many jobs are passed over, being too young or without a request, it takes several steps to find one.
        """
        return (await self._step(status, cleanup, max_jobs, only_orphans, except_for, as_of, operation, _START))[0]

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
        each step.

        A step goes on from where the last one has come to, so that what is passed over is passed once. What others
        remove meanwhile lets it miss as many jobs; it therefore ends with a step from the start that finds nothing.
        """
        position = _START
        while max_jobs > 0:
            begin = position
            done, position = await self._step(
                status, cleanup, min(max_jobs, CHUNK), only_orphans, except_for, as_of, None, begin
            )
            if done == 0 and begin == _START:
                return
            max_jobs -= done
            yield done

    async def _step(
        self,
        status: JobStatus,
        cleanup: JobCleanup,
        max_jobs: int,
        only_orphans: bool,
        except_for: JobID | None,
        as_of: datetime | None,
        operation: Operation | None,
        position: bytes,
    ) -> tuple[int, bytes]:
        if cleanup.action == "nothing" or max_jobs < 1:
            return 0, _START
        if cleanup.action == "rerun" and status in (JobStatus.PENDING, JobStatus.PAUSED, JobStatus.WAITING):
            raise ValueError(f"{status} jobs cannot be rerun: they have not run")
        age = "" if cleanup.max_age is None else wire.microseconds(cleanup.max_age)
        while True:
            step = Cleanup(
                wanted=status,
                action=cleanup.action,
                least_age=age,
                only_orphans=wire.microseconds(self._configuration.unowned_grace) if only_orphans else "",
                except_for="" if except_for is None else str(except_for),
                as_of="" if as_of is None else wire.microseconds(as_of),
                max_jobs=max_jobs,
                position=position,
            )
            # The position is no part of what is asked: it is found out again for a repeat.
            answer: bytes = await self._write(CLEANUP, step, operation, step._replace(position=b""))
            done, _, position = answer.partition(b" ")
            if done != b"0" or not position:
                return int(done), position or _START
