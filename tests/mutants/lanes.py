"""Bugs of lanes and priorities."""

from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import NewJob, Pushed, StoredJob
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant

BOTH = [Search.MACHINE, Search.HISTORIES]


@mutant("test_lanes_the_higher_priority_first", found_by=[Search.MACHINE])
class PriorityForgotten(Twin):
    """A job has no priority."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        return super()._push(replace(item, priority=0), now)


@mutant("test_lanes_that_wait_take_turns", found_by=[Search.MACHINE])
class LaneForgotten(Twin):
    """A job has no lane."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        return super()._push(replace(item, lane=None), now)


@mutant("test_laned_back_to_its_line", found_by=[Search.MACHINE])
class LineLeftByTheClaim(Twin):
    """A job that goes back to pending has lost its lane and its priority."""

    def _enter(self, job: StoredJob) -> None:
        super()._enter(replace(job, lane=None, priority=0) if job.claimed_at else job)


script_mutant(
    "ScriptLowerPriorityFirst",
    "`turning.lua`: the lowest priority goes first.",
    "test_lanes_the_higher_priority_first",
    "for n = #priorities, 1, -1 do",
    "for n = 1, #priorities do",
    chapter=__name__,
)
script_mutant(
    "ScriptServedStaysFirst",
    "`turning.lua`: a line that was served keeps its turn.",
    "test_lanes_that_wait_take_turns",
    "line.turn, line.taken, laned[#laned + 1] = latest, line.taken + 1, id",
    "line.taken, laned[#laned + 1] = line.taken + 1, id",
    chapter=__name__,
)
script_mutant(
    "ScriptTurnsOfOneInstant",
    "`turning.lua`: what was served waits alongside what waits at that moment, not behind it.",
    "test_lanes_that_wait_take_turns",
    "latest = math.max(now, latest) + 1",
    "latest = math.max(now, latest)",
    chapter=__name__,
)
script_mutant(
    "ScriptPlainJobsTakeNoTurns",
    "`turning.lua`: the turn of the jobs without lane and priority is not noted.",
    "test_lanes_jobs_without_one_are_one_lane",
    "if plain then redis.call('HSET', TURNS, 'plain', plain) end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptLineOutlivesTheJob",
    "`lines.lua`: a job that is no longer pending stays in its line.",
    "test_laned_out_of_its_line",
    "redis.pcall('ZREM', line_of(priority, lane), id) == 1 then",
    "false then",
    chapter=__name__,
)
script_mutant(
    "ScriptDueTimeIsTheTurn",
    "`lines.lua`: a line that was empty waits since its job was due, before it had it.",
    "test_lanes_that_were_empty_wait_from_the_next_job_on",
    "before[line] = before[line] or math.min(place and turn_at(place) or start, start)",
    "before[line] = before[line] or math.min(place and turn_at(place) or 0, start)",
    chapter=__name__,
)
script_mutant(
    "ScriptDelayedLineGoesFirst",
    "`turning.lua`: a job is claimed before it is due if it is its line's turn.",
    "test_laned_back_to_its_line",
    "if not id or micro(score) > now then return nil end",
    "if not id then return nil end",
    chapter=__name__,
)
