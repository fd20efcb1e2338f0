"""Which part of a queue an id belongs to, and ids that belong to a part."""

from collections.abc import Callable

from jobsvalkey.contract import JobID, new_job_id


def partition_of(job_id: JobID, partitions: int) -> int:
    """Return the number of the part that a job of this id is looked for in first."""
    return job_id.int % partitions


def ids_of(partition: int, partitions: int) -> Callable[[], JobID]:
    """Return a maker of ids that belong to one part: the next that does, as their last bits are random."""

    def make() -> JobID:
        while partition_of(job_id := new_job_id(), partitions) != partition:
            pass
        return job_id

    return make
