"""The driver for Valkey."""

from jobsvalkey.valkey.configuration import ValkeyConfiguration
from jobsvalkey.valkey.queue import ValkeyJobQueue

__all__ = ["ValkeyConfiguration", "ValkeyJobQueue"]
