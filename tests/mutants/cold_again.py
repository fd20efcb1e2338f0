"""Bugs that were planted for the third time, unseen again, and that no area of the kit killed then."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from jobsvalkey.contract import Activity, Durability, JobID, JobStatus, NewJob, StoredJob, WorkerID
from jobsvalkey.contract.cleanup import CHUNK
from jobsvalkey.valkey import (
    activity,
    base,
    cleanup,
    confirming,
    ends,
    inspection,
    limits,
    pushing,
    queueing,
    scripting,
    waiting,
    wire,
)
from jobsvalkey.valkey.scripting import PUSH
from jobsvalkey.valkey.wire import place_of, push_arguments, pushed
from jobsvalkey.valkey.words import SetLaneLimit
from tests.mutants.cold import patched
from tests.mutants.scripts import script_mutant

# -- callers and workers that share a driver


async def send_and_skip(pusher: Any, batch: Sequence[Any]) -> None:
    """Give the answers to those who still wait, as if the others had asked for nothing."""
    items = [item for each in batch for item in each.items]
    answers = iter(pushed(items, await pusher._writer.run(PUSH, push_arguments(items))))
    for each in batch:
        if not each.done.done():
            each.done.set_result([next(answers) for _ in each.items])


patched(
    "AnswersShiftWithTheCancelled",
    "`pushing.py`: when a caller is cancelled whose push is on its way, others of the step get answers of others.",
    "test_sharing_a_push_is_given_up_on_its_way",
    pushing.Pusher,
    "_send",
    send_and_skip,
)


async def heard_by_one(waiter: Any, key: str) -> None:
    """Let one of those who look for work hear of news."""
    if key != waiter._keys.news:
        await HEARD(waiter, key)
        return
    waiter._news += 1
    if waiter._waiting:
        waiter._waiting.popleft().set_result(False)
    waiter._tell()


HEARD: Any = waiting.Waiter.__dict__["_heard"]
patched(
    "NewsForTheFirstWorker",
    "`waiting.py`: of the workers of a driver that wait for work only the first hears that a job is to end.",
    "test_sharing_each_worker_hears_its_news",
    waiting.Waiter,
    "_heard",
    heard_by_one,
)


async def open_unknown(driver: Any, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
    """Open a worker that hears of news from its first wait on."""
    await driver._hold(worker, hold_for, b"1" + about)


patched(
    "NewsSinceTheFirstWait",
    "`queueing.py`: a worker does not hear of an abort that was asked for before its first wait.",
    "test_sharing_each_worker_hears_its_news",
    queueing.ValkeyQueueing,
    "open_worker",
    open_unknown,
)


async def wait_and_forget(waits: Any, job_ids: Sequence[JobID], *arguments: Any) -> list[StoredJob | None]:
    """Wait, and then forget the jobs, whoever else waits for them."""
    try:
        return await WAIT(waits, job_ids, *arguments)
    finally:
        for job_id in job_ids:
            waits._waiting.pop(job_id, None)


WAIT: Any = ends.Ends.__dict__["wait"]
patched(
    "OneWaiterEndsTheWaitOfOthers",
    "`ends.py`: who gives up waiting for a job takes the hints of its end from the others.",
    "test_sharing_one_waits_on_when_another_gives_up",
    ends.Ends,
    "wait",
    wait_and_forget,
)


async def look_at_the_last(waits: Any, job_ids: Sequence[JobID], look: Any) -> list[StoredJob | None]:
    """Look at all, and remember the last chunk."""
    found: list[StoredJob | None] = []
    for first in range(0, len(job_ids), ends.CHUNK):
        found = await LOOK(waits, job_ids[first : first + ends.CHUNK], look)
    return found


LOOK: Any = ends.Ends.__dict__["_look"]
patched(
    "EndedOfAChunk",
    "`ends.py`: of many jobs that are asked for, the last chunk is all that is answered.",
    "test_ended_any_number_of_jobs[251]",
    ends.Ends,
    "_look",
    look_at_the_last,
)
script_mutant(
    "ScriptTellsOfEightEnds",
    "`news.lua`: of the jobs that one step ends eight are told.",
    "test_ended_a_hint_for_each_of_many[exchange]",
    "for from = 1, #ids, TOLD_AT_ONCE do",
    "for from = 1, math.min(#ids, 1), TOLD_AT_ONCE do",
    chapter=__name__,
)

# -- inspection


async def page_behind_its_job(driver: Any, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> Any:
    """Fail if the job at the cursor has gone."""
    if cursor is not None and status is JobStatus.PROCESSING:
        places = await driver._places(status, 1, b"", b"")
        assert place_of(cursor)[::-1] in places
    return await PAGE(driver, status, cursor, limit=limit)


PAGE: Any = inspection.ValkeyInspection.__dict__["page"]
patched(
    "CursorNeedsItsJob",
    "`inspection.py`: a page of running jobs cannot go on behind a job that has ended meanwhile.",
    "test_inspection_a_cursor_whose_job_has_gone[processing]",
    inspection.ValkeyInspection,
    "page",
    page_behind_its_job,
)

# -- lanes and cleanups


def lane_of(*words: Any) -> Any:
    """Take a lane of which nothing runs for one without a limit."""
    lane = LANE(*words)
    return replace(lane, running=lane.running or None)


LANE: Any = vars(limits)["_lane_of"]
patched(
    "NothingRunningIsUnknown",
    "`limits.py`: of a lane with a limit it is not said that none of its jobs runs.",
    "test_lanes_say_how_many_run_if_there_is_a_limit",
    limits,
    "_lane_of",
    lane_of,
)


async def sweep_once(driver: Any, pattern: str, limit: Any, *, operation: Any = None) -> None:
    """Set a limit, and look once at the next of the lines that it concerns."""
    words = SetLaneLimit(pattern, TEXT(limit))
    if await driver._write(scripting.SET_LANE_LIMIT, words, operation) == b"more":
        await driver._session().control.call(scripting.SWEEP_LANES, [], patience=9)


TEXT: Any = vars(limits)["_text_of"]
patched(
    "LimitOfSoManyLines",
    "`limits.py`: when more may run than before, the jobs of the last of very many lanes are not claimed.",
    "test_size_lanes_of_a_limit",
    limits.ValkeyLimits,
    "set_lane_limit",
    sweep_once,
)


async def end_at_a_small_step(*arguments: Any, **options: Any) -> AsyncGenerator[int]:
    """End with the first step that has done less than it might."""
    async for done in STEPS(*arguments, **options):
        yield done
        if done < CHUNK:
            return


STEPS: Any = cleanup.ValkeyCleanup.__dict__["cleanup_steps"]
patched(
    "CleanupEndsAtASmallStep",
    "`cleanup.py`: a cleanup ends with the first step that passes over many.",
    "test_size_a_cleanup_passes_over_many",
    cleanup.ValkeyCleanup,
    "cleanup_steps",
    end_at_a_small_step,
)

# -- a second time

script_mutant(
    "ScriptRepeatsNoLine",
    "`exchange.lua`: a repeat does not tell the lane and the priority of the jobs that it returns.",
    "test_again_a_repeat_returns_the_whole_claim[both-False]",
    "fielded and (told_of(id)), stored",
    "fielded and fielded ~= 'laned' and told_of(id) or nil, stored",
    chapter=__name__,
)
script_mutant(
    "ScriptRemembersFromTheTrim",
    "`ending.lua`: the window of an id begins when its job is trimmed, and not when it is kept no more.",
    "test_again_an_id_whose_job_was_kept[finish-exchange]",
    "vanish({ over[i] }, tonumber(over[i + 1]))",
    "vanish({ over[i] }, now)",
    chapter=__name__,
)
script_mutant(
    "ScriptRecordsNoRefusalOfABatch",
    "`close_batch.lua`: that a batch could not be closed is not recorded: a repeat closes one that was opened since.",
    "test_again_a_no_stays_a_no[close_batch]",
    "return record_always('0')",
    "return '0'",
    only="CLOSE_BATCH",
    chapter=__name__,
)
script_mutant(
    "ScriptOffersTheLowestPriority",
    "`leaving.lua`: a lane with room again offers its line of the lowest priority only; other jobs never run.",
    "test_lanes_keep_each_line_while_they_are_full[push]",
    "for _, priority in ipairs(priorities) do by_priority[priority] = open end",
    "by_priority[priorities[1]] = open",
    chapter=__name__,
)

# -- a second round: durability, and a repeat of a step that is several


async def step_by_position(driver: Any, script: Any, arguments: Any, operation: Any, *_: Any, **options: Any) -> Any:
    """Take the position for a part of what is asked."""
    return await WRITE(driver, script, arguments, operation, **options)


WRITE: Any = base.ValkeyBase.__dict__["_write"]
patched(
    "DigestOfThePosition",
    "`cleanup.py`: a step that has passed over many jobs has no repeat: it is refused as another one.",
    "test_again_a_cleanup_that_passed_over_many",
    base.ValkeyBase,
    "_write",
    step_by_position,
)


async def ask_in_any_case(confirmation: Any, channel: Any, done: Any) -> Any:
    """Ask also if nothing was done."""
    return await ASK(confirmation, channel, None if done == confirming.UNEXPECTED else done)


ASK: Any = confirming.Confirmation.__dict__["ask"]
patched(
    "DemandsOfNothing",
    "`confirming.py`: a conditional push that has done nothing has to meet the demand.",
    "test_durability_of_a_push_that_depends",
    confirming.Confirmation,
    "ask",
    ask_in_any_case,
)


def first_demand(_: Any, items: Sequence[NewJob]) -> Durability | None:
    """Look no further than to the first."""
    return next((item.durability for item in items if item.durability), None)


patched(
    "FirstDemandCounts",
    "`base.py`: the jobs of one push meet the demand of the first of them that has one.",
    "test_durability_the_strongest_demand_of_a_push",
    base.ValkeyBase,
    "_demand",
    first_demand,
)


def limit_in_seconds(text: bytes) -> Any:
    """Read a limit, with the time of its rate in whole seconds."""
    limit = LIMIT(text)
    if limit.rate is None:
        return limit
    return replace(limit, rate=(limit.rate[0], timedelta(seconds=max(limit.rate[1] // timedelta(seconds=1), 1))))


LIMIT: Any = vars(limits)["_limit_of"]
patched(
    "RateInSeconds",
    "`limits.py`: the time of a rate is shown in whole seconds.",
    "test_rates_are_shown_as_they_were_set",
    limits,
    "_limit_of",
    limit_in_seconds,
)


def from_now_on(reply: Any) -> Any:
    """Read on from the present, and not from the last entry."""
    return [(b"$", fields) for _, fields in ENTRIES(reply)]


ENTRIES: Any = vars(ends)["_entries"]
patched(
    "EndsBetweenTwoReads",
    "`ends.py`: a job that ends between two reads of the stream is found by polling only.",
    "test_ended_a_hint_for_each_of_many[steps]",
    ends,
    "_entries",
    from_now_on,
)
script_mutant(
    "ScriptLooksAtOnePolicy",
    "`holding.lua`: a parent may be one that is kept if it completes, and not if it fails or is cancelled.",
    "test_retention_of_a_parent[pending-failed]",
    "if policy.count == 0 and not is_kept then return 'not_kept' end",
    "if policy == ENDED.completed and policy.count == 0 and not is_kept then return 'not_kept' end",
    chapter=__name__,
)

# -- a third round

script_mutant(
    "ScriptEndsTheSecondLife",
    "`places.lua`: a job that was kept for a time, and is run anew, is lost when that time is over.",
    "test_again_a_job_that_was_kept[rerun-recover]",
    "    redis.call('ZREM', KEPT, id)\n    if has_kept() then\n      redis.call('ZREM', ENDED[state].kept, id)\n"
    "      redis.call('ZREM', ENDED[state].lasts, id)\n",
    "    redis.call('ZREM', KEPT, id)\n    if has_kept() then\n      redis.call('ZREM', ENDED[state].kept, id)\n",
    chapter=__name__,
)
script_mutant(
    "ScriptEndsTheNextJob",
    "`duplicates.lua`: a new job under the id of one whose time is over is lost when that one is trimmed.",
    "test_again_a_job_that_was_kept[late-recover]",
    "redis.call('ZREM', ENDED[ended].lasts, id)",
    "",
    chapter=__name__,
)


async def by_time_of_day(driver: Any, since: datetime | None = None) -> list[Activity]:
    """Show the minutes in the order of their places in the store."""
    return sorted(await ACTIVITY(driver, since), key=lambda each: each.minute.time())


ACTIVITY: Any = activity.ValkeyActivity.__dict__["activity"]
patched(
    "MinutesByTimeOfDay",
    "`activity.py`: minutes of yesterday come behind those of today that are earlier in the day.",
    "test_activity_is_in_order",
    activity.ValkeyActivity,
    "activity",
    by_time_of_day,
)


def stored_in_latin(reply: Any) -> StoredJob | None:
    """Read the worker's id letter by letter."""
    job = STORED_JOB(reply)
    return structs.replace(job, worker=job.worker.encode().decode("latin-1")) if job and job.worker else job


STORED_JOB: Any = vars(wire)["stored_job"]
patched(
    "WorkersInLatin",
    "`wire.py`: the id of a running job's worker is shown with other letters than it has.",
    "test_runs_of_a_worker_of_any_name[4]",
    wire,
    "stored_job",
    stored_in_latin,
)
