"""The retention of most tests, which look at what has ended."""

from jobsvalkey import RETAIN, RetentionPolicy

KEEP_ALL = RetentionPolicy(completed_jobs=RETAIN, failed_jobs=RETAIN, cancelled_jobs=RETAIN)
