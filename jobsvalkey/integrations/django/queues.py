"""The queues behind Django's: one on the server for each name in `QUEUES`."""

from functools import partial
from typing import Final, cast

from jobsvalkey.blocking import BlockingJobQueue
from jobsvalkey.blocking.process import call
from jobsvalkey.contract import JobID, StoredJob
from jobsvalkey.integrations.django.options import BackendOptions
from jobsvalkey.integrations.django.outbox import Outbox
from jobsvalkey.integrations.django.running import Place, TaskQueue
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.valkey.clients import client_from_url

_Key = tuple[str, ValkeyConfiguration, tuple[int, ...]]


class BlockingTaskQueue(BlockingJobQueue[ValkeyJobQueue]):
    """A queue for the threads of a web server."""

    def stored(self, job_id: JobID) -> StoredJob | None:
        """Return a job as it is stored, or `None`."""
        return call(self._tenant, lambda queue: cast("ValkeyJobQueue", queue.driver).get(job_id))


_QUEUES: Final = dict[_Key, BlockingTaskQueue]()
"""For the whole process: Django makes a backend for each thread."""
_OUTBOXES: Final = dict[tuple[str, *_Key], Outbox]()


def make_queue(options: BackendOptions, place: Place) -> TaskQueue:
    """Make a queue for one event loop. It connects at the first call."""
    driver = ValkeyJobQueue(client_from_url(options.url), options.configuration_of(place.queue))
    return TaskQueue(driver, place, options.retry_strategy, tuple(options.middleware))


def make_outbox(options: BackendOptions, place: Place) -> Outbox | None:
    """Return what tasks are enqueued with in a transaction, if the options say so."""
    if options.outbox is None:
        return None
    key = (options.outbox, *_key_of(options, place))
    if key not in _OUTBOXES:
        _OUTBOXES.setdefault(key, Outbox(make_queue(options, place), using=options.outbox))
    return _OUTBOXES[key]


def blocking_queue(options: BackendOptions, place: Place) -> BlockingTaskQueue:
    """Return a queue for any thread."""
    key = _key_of(options, place)
    if key not in _QUEUES:
        _QUEUES.setdefault(key, BlockingTaskQueue(partial(make_queue, options, place)))
    return _QUEUES[key]


def _key_of(options: BackendOptions, place: Place) -> _Key:
    return options.url, options.configuration_of(place.queue), tuple(map(id, options.middleware))
