"""The capability `RESULTS`: waiting for jobs to end."""

from collections.abc import Sequence
from datetime import timedelta

from jobsvalkey.contract import JobID, StoredJob
from jobsvalkey.valkey.inspection import ValkeyInspection


class ValkeyResults(ValkeyInspection):
    """The capability `RESULTS`; what is kept, and for how long, is decided where jobs end."""

    async def ended(self, job_ids: Sequence[JobID], timeout: timedelta) -> list[StoredJob | None]:
        """Wait until one of the jobs has ended or is absent, at most for `timeout`; all of them, as they are then.

        All that wait in one event loop share one connection, and looks at the same time share a round trip.

        Raises:
            StoreUnavailable: no answer within `operation_timeout`.
        """
        if not job_ids:
            return []
        return await self._session().ends.wait(list(job_ids), timeout.total_seconds(), self._look)

    async def _look(self, job_ids: Sequence[JobID]) -> list[StoredJob | None]:
        return await self._jobs([str(job_id) for job_id in job_ids], complete=True)
