"""A processor that serves several queues with one pool of slots."""

import math
from collections.abc import Sequence
from typing import Any

from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime.options import ProcessorOptions
from jobsvalkey.runtime.processor import BaseProcessor
from jobsvalkey.runtime.queue import JobQueue
from jobsvalkey.runtime.queue_run import ServedQueue

_DEFAULT_OPTIONS = ProcessorOptions()


class MultiQueueProcessor(BaseProcessor):
    """Runs the jobs of several queues, on one server or on many, in this event loop: `num_workers` at a time in all.

    `MultiQueueProcessor([urgent, mail, bulk], ProcessorOptions(num_workers=16))` serves them in strict order: a free
    slot goes to the first queue that has a job due. With `weights=[3, 1]`, of four jobs that start three are of the
    first queue, as long as both have jobs due. `weights=[1] * n` serves n parts of one queue equally. Either way, no
    slot is idle while any queue has a job due.

    To the stores, each queue has a worker of its own, with its own lock. A server that is down, frozen or slow stops
    only the jobs of its own queues.

    Args:
        queues: the queues, the first one first; each runs the jobs that are registered at it.
        options: how jobs are run. With `burst`, it returns once each queue is paused or has no job due.
        weights: a number above zero for each queue; `None` means a strict order.
        state: the object that handlers of all queues get by type, whole or as one of its fields.

    Raises:
        ValueError: there is no queue, one is given twice, or the weights do not fit.
    """

    def __init__(
        self,
        queues: Sequence[JobQueue[Any]],
        options: ProcessorOptions = _DEFAULT_OPTIONS,
        *,
        weights: Sequence[float] | None = None,
        state: object = None,
    ) -> None:
        check_option("options", options, ProcessorOptions)
        served = [ServedQueue(queue.driver, queue.runner(options, state=state), options) for queue in queues]
        if not served:
            raise ValueError("a processor of several queues needs one at least")
        if len({id(queue.driver) for queue in served}) < len(served):
            raise ValueError("a queue is given twice: a weight is how to serve it more often")
        super().__init__(served, options, check_weights(weights, len(served)))


def check_weights(weights: Sequence[float] | None, number: int) -> Sequence[float] | None:
    """Check that there is a weight for each queue.

    Raises:
        ValueError: there is not, or one of them is not above zero.
    """
    if weights is None:
        return None
    if len(weights) != number:
        raise ValueError(f"weights are one for each queue: {number}, not {len(weights)}")
    for weight in weights:
        if not 0 < weight < math.inf:
            raise ValueError(f"a weight is a number above zero, not {weight!r}")
    return list(weights)
