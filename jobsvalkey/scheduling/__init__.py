"""Schedules, and the scheduler that pushes their jobs."""

from jobsvalkey.scheduling.days import Day, Month
from jobsvalkey.scheduling.schedule import Schedule

__all__ = ["Day", "Month", "Schedule"]
