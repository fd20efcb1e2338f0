"""Unique jobs, from threads."""

from concurrent.futures import ThreadPoolExecutor

from jobsvalkey import BlockingJobQueue, JobName, JobOptions, JobQueue, Pushed, StoreOutcome, Unique
from jobsvalkey_memory import MemoryJobQueue

JOB = JobName("reindex", int)


def test_of_many_threads_one_stores_the_job() -> None:
    options = JobOptions(unique=Unique("customer:42"))
    with BlockingJobQueue(lambda: JobQueue(MemoryJobQueue())) as queue, ThreadPoolExecutor(8) as threads:

        def push(number: int) -> Pushed:
            return queue.push_unless_held(JOB, number, options=options)

        answers = list(threads.map(push, range(40)))
        stored = [answer for answer in answers if answer.outcome is StoreOutcome.STORED]
        assert len(stored) == 1
        assert {answer.job_id for answer in answers} == {stored[0].job_id}
        assert queue.push(JOB, 41, options=options) == stored[0].job_id
        record = queue.get(stored[0].job_id)
        assert record is not None
        assert record.unique == Unique("customer:42")
