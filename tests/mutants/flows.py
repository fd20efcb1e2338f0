"""Bugs of jobs that wait for others."""

from dataclasses import replace

from jobsvalkey.contract import Load
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant


@mutant("test_flow_the_load_counts_those_that_wait", found_by=[Search.MACHINE])
class LoadTakesThoseThatWaitForDelayed(Twin):
    """`load` counts jobs that wait for others as such whose time has not come."""

    async def load(self) -> Load:
        load = await super().load()
        return replace(load, delayed=load.delayed + load.waiting, waiting=0)


script_mutant(
    "ScriptLoadHidesThoseThatWait",
    "`load.lua`: does not count the jobs that wait for others.",
    "test_flow_the_load_counts_those_that_wait",
    "has_flows() and redis.call('ZCARD', WAITING) or 0,\n  redis.call('HLEN', CLAIMED)",
    "0,\n  redis.call('HLEN', CLAIMED)",
    chapter=__name__,
)
script_mutant(
    "ScriptChildrenHearNothing",
    "`ending.lua`: the end of a job tells nobody of it.",
    "test_flow_a_job_waits_for_its_parents",
    "if fielded and has_flows() then holds().tell_end(id, state, noted == 'result' and value) end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptFirstParentLetsGo",
    "`holds.lua`: a job is let go by the first of its parents.",
    "test_flow_a_job_waits_for_its_parents",
    "if redis.pcall('HINCRBY', fields_of(id), 'holds', -1) == 0 and due and not is_doomed(id) then",
    "if due and not is_doomed(id) then",
    chapter=__name__,
)
script_mutant(
    "ScriptDoomedJobIsLetGo",
    "`holds.lua`: a doomed job is pending when its other parents have completed.",
    "test_flow_a_doomed_job_is_not_let_go",
    "and due and not is_doomed(id) then",
    "and due then",
    chapter=__name__,
)
script_mutant(
    "ScriptFailureLetsGo",
    "`holds.lua`: a parent that fails lets its children go, as one that completes.",
    "test_flow_a_parent_that_does_not_complete_dooms_its_children",
    "if state ~= 'completed' and redis.pcall('HGET', fields_of(child), 'if_failed') ~= 'run' then",
    "if false then",
    chapter=__name__,
)
script_mutant(
    "ScriptFinalizersAreDoomed",
    "`holds.lua`: a parent that fails dooms children that are to run all the same.",
    "test_flow_a_finalizer_runs_all_the_same",
    "if state ~= 'completed' and redis.pcall('HGET', fields_of(child), 'if_failed') ~= 'run' then",
    "if state ~= 'completed' then",
    chapter=__name__,
)
script_mutant(
    "ScriptRemovedParentIsForgotten",
    "`changing.lua`: the removal of a parent tells nobody.",
    "test_flow_a_parent_that_does_not_complete_dooms_its_children",
    "if fielded and has_flows() and not ENDED[state] then holds().tell_end(id, 'removed') end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptInputsGoWithTheFirstChild",
    "`holds.lua`: the result of a parent goes with the first of its children.",
    "test_flow_results_are_handed_on",
    "if redis.pcall('HINCRBY', key, 'references', -1) == 0 then redis.call('DEL', key) end",
    "redis.call('DEL', key)",
    chapter=__name__,
)
script_mutant(
    "ScriptInputsAreOverwritten",
    "`holds.lua`: the result of a second run takes the place of the first one's.",
    "test_flow_each_child_has_the_result_of_its_run",
    "for number = ended, ended + 99 do -- the next one for another run in the same microsecond\n"
    "      local key = input_of(id, whole(number))\n      local there = redis.pcall('HGET', key, 'result')\n"
    "      if not there or there == result then",
    "for number = 0, 0 do\n      local key = input_of(id, whole(number))\n      do",
    chapter=__name__,
)
script_mutant(
    "ScriptDoomOutlivesResume",
    "`resume.lua`: a doomed job that was resumed ends all the same.",
    "test_flow_resuming_saves_what_is_doomed",
    "if state == 'waiting' then redis.call('ZREM', ENDS_AT, id) end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptTakesAnyParent",
    "`holding.lua`: a parent that nothing keeps is taken.",
    "test_flow_parents_that_cannot_be",
    "if policy.count == 0 and not is_kept then return 'not_kept' end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptPlainParentStaysPlain",
    "`holding.lua`: a plain job that becomes a parent stays plain, so that its end tells nobody.",
    "test_flow_a_parent_that_the_policy_keeps",
    "      make_fielded(name)\n",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptBatchFiresOpen",
    "`holding.lua`: a batch does not hold its callback until it is closed.",
    "test_batch_the_callback_runs_last",
    "  if look.batch == id then\n    holds = holds + 1\n",
    "  if look.batch == id then\n",
    chapter=__name__,
)
script_mutant(
    "ScriptRerunMembersDoNotHold",
    "`changing.lua`: a member that is rerun does not hold the callback again.",
    "test_batch_a_rerun_takes_its_count_back",
    "if has_flows() then holds().tell_batch(id, '-') end",
    "",
    chapter=__name__,
)
