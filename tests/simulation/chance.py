"""All that is random while a simulation runs comes from its seed."""

import os
import random
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from unittest.mock import patch

from jobsvalkey.contract import JobIDGenerator, new_job_id


@contextmanager
def seeded(seed: int, milliseconds: Callable[[], int]) -> Generator[None]:
    """Let ids, tokens and pauses follow from a seed within the block, and ids from its time."""
    source = random.Random(f"ids {seed}")
    before = random.getstate()
    random.seed(seed)

    def token_hex(nbytes: int | None = None) -> str:
        return source.randbytes(nbytes or 32).hex()

    made = vars(new_job_id).copy()
    try:
        vars(new_job_id).update(vars(JobIDGenerator(milliseconds)))
        with patch.object(os, "urandom", source.randbytes), patch.object(secrets, "token_hex", token_hex):
            yield
    finally:
        vars(new_job_id).update(made)
        random.setstate(before)
