"""What the command line shows of results."""

from datetime import timedelta

from jobsvalkey import JobContext, JobName, JobOptions, JobQueue, ProcessorOptions, ValkeyJobQueue
from tests.unit.cli.shell import Shell

NAME = JobName("Add", list[int])


async def test_shows_the_result(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    async def add(numbers: list[int], _context: JobContext) -> dict[str, int]:
        return {"sum": sum(numbers)}

    queue.register_job(NAME, add)
    job_id = str(await queue.push(NAME, [1, 2], options=JobOptions(keep_for=timedelta(hours=1))))
    await queue.processor(ProcessorOptions(burst=True)).run()
    assert '{"sum":3}' in (await shell("jobs", "show", job_id)).out
    shown = (await shell("jobs", "show", job_id, "--json")).json
    assert (shown["result"], shown["keep_for"]) == ({"sum": 3}, "PT3600S")
