"""Deals with jobs that the store did not settle as the worker asked."""

import logging
from collections.abc import Mapping, Sequence

from jobsvalkey.contract import ConfigurationError, Fail, Settlement, SettleOutcome
from jobsvalkey.runtime.failure import encode_error

_LOGGER = logging.getLogger("jobsvalkey.worker")


def settle_otherwise(
    settlements: Sequence[Settlement], outcomes: Sequence[SettleOutcome], fields: Mapping[str, object]
) -> list[Settlement]:
    """Report what was not settled; what is to be settled again, and the jobs whose keys are broken otherwise.

    Args:
        settlements: what the store was asked for.
        outcomes: one for each settlement.
        fields: the worker's, for log records.
    """
    instead: list[Settlement] = []
    for settlement, outcome in zip(settlements, outcomes, strict=True):
        job_id = settlement.job_id
        # Its handler has ended: what else is known of the job is forgotten.
        extra = {"job_id": str(job_id), **fields}
        if outcome is SettleOutcome.CLAIM_LOST:
            _LOGGER.warning("job %s was taken from this worker before it ended", job_id, extra=extra)
        elif outcome is SettleOutcome.AGAIN:
            instead.append(settlement)
        elif outcome is SettleOutcome.BROKEN and isinstance(settlement, Fail) and settlement.keep:
            _LOGGER.error("job %s cannot be settled: its keys in the store are not ours", job_id, extra=extra)
        elif outcome is SettleOutcome.BROKEN:
            error = ConfigurationError("a key of the job holds something that is not ours: remove it, push again")
            _LOGGER.error("job %s fails: %s", job_id, error, extra=extra)
            instead.append(Fail(job_id, settlement.token, encode_error(error, 0), keep=True))
    return instead
