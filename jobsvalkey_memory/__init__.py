"""The in-memory twin of the Valkey driver: for unit tests, and the specification of every driver."""

from jobsvalkey_memory.clock import ManualClock
from jobsvalkey_memory.queue import MemoryJobQueue
from jobsvalkey_memory.store import MemoryStore

__all__ = ["ManualClock", "MemoryJobQueue", "MemoryStore"]
