"""`jobsvalkey flow show`, and what `jobs show` says of jobs that wait for others."""

from jobsvalkey.contract import JobName, new_job_id
from jobsvalkey.runtime import Flow, JobOptions, JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from tests.unit.cli.shell import Shell

NAME = JobName("Say", str)


async def test_shows_a_tree(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    flow = Flow()
    first = flow.add(NAME.with_parameters("first"))
    middle = [flow.add(NAME.with_parameters(text), after=[first]) for text in ("left", "right")]
    flow.add(NAME.with_parameters("last"), after=[*middle, first], options=JobOptions(if_failed="run"))
    ids = await queue.push_flow(flow)
    done = await shell("flow", "show", str(ids[3]))
    assert done.out.splitlines() == [
        f"{ids[3]} Say waiting",
        f"├─ {ids[1]} Say waiting",
        f"│  └─ {ids[0]} Say pending",
        f"├─ {ids[2]} Say waiting",
        f"│  └─ {ids[0]} Say pending (as above)",
        f"└─ {ids[0]} Say pending (as above)",
    ]
    found = (await shell("flow", "show", str(ids[3]), "--json")).json
    assert [each["id"] for each in found] == [str(ids[place]) for place in (3, 1, 2, 0)]
    assert (found[0]["after"], found[0]["if_failed"]) == ([str(ids[place]) for place in (1, 2, 0)], "run")


async def test_shows_how_parents_ended_that_are_gone(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    flow = Flow()
    parents = [flow.add(NAME.with_parameters(text)) for text in ("good", "bad", "gone")]
    flow.add(NAME.with_parameters("last"), after=parents, options=JobOptions(if_failed="run"))
    good, bad, gone, last = await queue.push_flow(flow)
    assert await queue.remove(gone)
    waiting = (await shell("flow", "show", str(last))).out.splitlines()
    assert waiting[3] == f"└─ {gone} removed (not there any more)"
    shown = (await shell("jobs", "show", str(last))).out
    assert f"{good} {bad} {gone}" in " ".join(shown.split())
    assert f"{gone} (removed)" in shown
    record = (await shell("jobs", "show", str(last), "--json")).json
    assert record["ended_parents"] == {str(gone): None}
    assert record["after"] == [str(each) for each in (good, bad, gone)]


async def test_shows_the_members_of_a_batch(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    batch = await queue.open_batch(NAME, "all")
    member = await queue.push(NAME, "one", options=JobOptions(batch=batch))
    assert await queue.cancel(member)
    out = (await shell("flow", "show", str(batch))).out
    assert out == f"{batch} Say waiting (members: 0 completed, 0 failed, 1 cancelled)\n"
    (found,) = (await shell("flow", "show", str(batch), "--json")).json
    assert found["members"] == {"completed": 0, "failed": 0, "cancelled": 1}


async def test_a_plain_job_is_a_tree_of_one(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    job_id = await queue.push(NAME, "plain")
    assert (await shell("flow", "show", str(job_id))).out == f"{job_id} Say pending\n"
    shown = (await shell("jobs", "show", str(job_id))).out
    assert "parents" not in shown
    assert "if failed" not in shown


async def test_says_that_there_is_no_such_job(shell: Shell) -> None:
    done = await shell("flow", "show", str(new_job_id()))
    assert done.code == 1
    assert "there is no job" in done.err
    assert (await shell("flow", "show", "x")).code == 2
