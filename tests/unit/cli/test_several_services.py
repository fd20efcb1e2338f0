"""`jobsvalkey worker a:service b:service`, as processes."""

import pytest

from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.support.drivers import driver_at
from tests.support.waiting import until
from tests.unit.cli.workers import WRITE, Workers, ended, written

OTHER = """
import os
from valkey.asyncio import Valkey
from jobsvalkey.service import JobService
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from app import WRITE, write

client = Valkey.from_url(os.environ["JOBSVALKEY_URL"])
key = os.environ["QUEUE"] + ".other"
service = JobService(ValkeyJobQueue(client, ValkeyConfiguration(queue_key=key)))
service.register_job(WRITE, write)
"""


@pytest.fixture
def both(workers: Workers) -> Workers:
    """A folder with two modules, whose services have queues of their own."""
    app = workers.folder / "app.py"
    app.write_text(app.read_text() + '\nWRITE = JobName("write", str)\n')
    (workers.folder / "other.py").write_text(OTHER)
    return workers


@pytest.mark.parametrize("more", [(), ("--weights", "3,1"), ("--processes", "2", "--weights", "3,1")])
async def test_one_worker_runs_the_jobs_of_both(
    both: Workers, queue: JobQueue[ValkeyJobQueue], more: tuple[str, ...]
) -> None:
    configuration: ValkeyConfiguration = queue.driver.configuration
    files = [both.folder / name for name in ("first", "second")]
    async with driver_at(both.environment["JOBSVALKEY_URL"], f"{configuration.queue_key}.other") as driver:
        await queue.push(WRITE, str(files[0]))
        await JobQueue(driver).push(WRITE, str(files[1]))
        async with both.start("app:service", "other:service", *more) as process:
            await until(lambda: all(written(file) for file in files))
            process.terminate()
            result = await ended(process)
        assert result.code == 0, result
        assert result.err.count("runs queue") >= 2
        assert sum((await driver.counts()).values()) == 0
    if not more:
        assert files[0].read_text() == files[1].read_text()  # one process
    assert sum((await queue.counts()).values()) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("app:service", "app:service"), 2, "app:service is named twice"),
        (("app:service", "other:service", "--weights", "1"), 2, "one for each queue: 2, not 1"),
        (("app:service", "other:service", "--weights", "1,x"), 2, "write one number for each service"),
        (("app:service", "other:service", "--weights", "1,0"), 2, "a weight is a number above zero"),
        (("app:service", "app:make", "--burst"), 1, "two services have the same driver"),
        (("app:service", "app:number"), 2, "app:number is an int"),
    ],
)
async def test_what_cannot_run_together_is_said(both: Workers, arguments: tuple[str, ...], code: int, why: str) -> None:
    result = await both.run(*arguments)
    assert result.code == code, result
    assert why in result.err
