"""The queue for threads: each call waits for its answer."""

from jobsvalkey.blocking.queue import BlockingJobQueue

__all__ = ["BlockingJobQueue"]
