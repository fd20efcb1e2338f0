"""Schedules, and the scheduler that pushes their jobs."""

from jobsvalkey.scheduling.days import Day, Month
from jobsvalkey.scheduling.job_schedule import JobSchedule
from jobsvalkey.scheduling.options import ExclusiveLock, SchedulerOptions
from jobsvalkey.scheduling.schedule import Schedule
from jobsvalkey.scheduling.scheduled_job import Accuracy, DuplicateSchedule, ScheduledJob
from jobsvalkey.scheduling.scheduler import Scheduler

__all__ = [
    "Accuracy",
    "Day",
    "DuplicateSchedule",
    "ExclusiveLock",
    "JobSchedule",
    "Month",
    "Schedule",
    "ScheduledJob",
    "Scheduler",
    "SchedulerOptions",
]
