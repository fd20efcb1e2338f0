"""What the command line shows of results and of progress."""

from datetime import timedelta

from jobsvalkey import JobContext, JobName, JobOptions, JobQueue, JobSleep, ProcessorOptions, ValkeyJobQueue
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


async def test_shows_the_progress(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    async def count(numbers: list[int], context: JobContext) -> None:
        context.progress(len(numbers), 10, "[bold]numbers")
        raise JobSleep(for_=timedelta(hours=1))

    queue.register_job(NAME, count)
    job_id = str(await queue.push(NAME, [1, 2]))
    await queue.processor(ProcessorOptions(burst=True)).run()
    assert "2/10 [bold]numbers" in (await shell("jobs", "show", job_id)).out
    assert "2/10 [bold]numbers" in (await shell("jobs", "list")).out
    shown = (await shell("jobs", "list", "--json")).json
    assert shown[0]["progress"] == {"done": 2, "total": 10, "text": "[bold]numbers"}
