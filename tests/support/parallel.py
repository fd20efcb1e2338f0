"""How many processes a run of tests is spread over."""

import os
import random
from collections.abc import Sequence

import pytest

from tests.support.servers.kinds import URL_VARIABLE

PROCESSES = 2 * (os.cpu_count() or 1)
"""Most tests wait, for servers and for other processes."""


def spread(config: pytest.Config) -> None:
    """Spread a run of whole folders over processes, unless `-n` says over how many.

    Each process starts servers of its own. A file alone, and whatever is to be debugged or measured, runs in one
    process; so do the tests on the server of `JOBSVALKEY_TEST_URL`, of which there is only one.
    """
    option = config.option
    parts = any(".py" in argument or "benchmarks" in argument for argument in config.args)
    is_worker = hasattr(config, "workerinput")
    if is_worker or parts or option.usepdb or URL_VARIABLE in os.environ:
        return
    if config.pluginmanager.hasplugin("xdist") and option.numprocesses is None:
        option.numprocesses, option.dist = PROCESSES, "worksteal"
        # All have to find the same tests in the same order, those with a set of parameters too.
        os.environ.setdefault("PYTHONHASHSEED", str(random.randrange(2**32)))


def check_names(items: Sequence[pytest.Item]) -> None:
    """Refuse tests whose names hold an address: they are called otherwise in each process.

    Raises:
        UsageError: there are such tests.
    """
    if named := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"give the parameters of these tests ids that are the same in each process: {named}")
