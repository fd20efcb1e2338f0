"""The garbage collector of a process that runs jobs."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def loaded_for_good() -> Generator[None]:
    """Within the block, the garbage collector passes over all that is there when it begins.

    That is the code, mostly, and stays as long as the process does. A look at all of it holds up the event loop for 10
    to 20 ms, and many short jobs make the collector look several times a second.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
