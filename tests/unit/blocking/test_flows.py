"""Flows and batches, from threads."""

import pytest

from jobsvalkey import BlockingJobQueue, Flow, JobName, JobOptions, JobQueue, JobStatus, UnknownParent, new_job_id
from jobsvalkey_memory import MemoryJobQueue

JOB = JobName("count", int)


def test_jobs_wait_for_others() -> None:
    with BlockingJobQueue(lambda: JobQueue(MemoryJobQueue())) as queue:
        flow = Flow()
        flow.add(JOB.with_parameters(2), after=[flow.add(JOB.with_parameters(1))])
        first, second = queue.push_flow(flow)
        assert [queue.status(first), queue.status(second)] == [JobStatus.PENDING, JobStatus.WAITING]
        batch = queue.open_batch(JOB, 3)
        queue.push(JOB, 4, options=JobOptions(batch=batch))
        assert queue.close_batch(batch)
        assert not queue.close_batch(batch)
        with pytest.raises(UnknownParent):
            queue.push(JOB, 5, options=JobOptions(after=[new_job_id()]))
