"""Bugs of what flows and batches leave behind."""

from tests.mutants.scripts import script_mutant

script_mutant(
    "ScriptResultsStay",
    "`inputs.lua`: the result of a parent stays when nobody is left to be told of it.",
    "test_behind_a_flow_leaves_nothing",
    "if redis.pcall('HINCRBY', key, 'references', -1) == 0 then redis.call('DEL', key) end",
    "redis.pcall('HINCRBY', key, 'references', -1)",
    chapter=__name__,
)
script_mutant(
    "ScriptResultsAreNotCounted",
    "`inputs.lua`: a result counts as that of one job, however many are told of it.",
    "test_behind_a_flow_leaves_nothing",
    "redis.call('HINCRBY', key, 'references', children)",
    "redis.call('HINCRBY', key, 'references', 1)",
    chapter=__name__,
)
script_mutant(
    "ScriptEdgesStay",
    "`holds.lua`: a job that is resumed stays among those that its parents are going to tell.",
    "test_behind_a_flow_leaves_nothing",
    "do redis.pcall('SREM', children_of(parent), id) end",
    "do local _ = parent end",
    chapter=__name__,
)
script_mutant(
    "ScriptMembersStay",
    "`holds.lua`: the members of a batch stay when its callback no longer waits.",
    "test_behind_a_batch_leaves_nothing",
    "    redis.call('DEL', members_of(id))\n",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptChildrenStay",
    "`holds.lua`: the list of those that wait for a job stays when they were told of its end.",
    "test_behind_a_flow_leaves_nothing",
    "    redis.call('DEL', children_of(id))\n",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptAnyJobIsABatch",
    "`holding.lua`: any job may be joined as if it were a batch.",
    "test_batch_that_cannot_be_joined",
    "if not state or redis.pcall('HGET', fields_of(id), 'batch') ~= id then return 'no_batch' end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptDecidedBatchesAreJoined",
    "`holding.lua`: a batch may be joined although its callback no longer waits.",
    "test_batch_that_cannot_be_joined",
    "return state ~= 'waiting' and 'decided' or nil",
    "return nil",
    chapter=__name__,
)
script_mutant(
    "ScriptParentsAreNotThoseThatStand",
    "`holding.lua`: a parent that was a duplicate is looked for by the id of its push.",
    "test_flow_a_duplicate_stands_for_its_holder",
    "local parent = stands[name] or name",
    "local parent = name",
    chapter=__name__,
)
script_mutant(
    "ScriptBatchesCloseTwice",
    "`close_batch.lua`: a batch that is closed again takes one more hold from its callback.",
    "test_batch_",
    "redis.pcall('HGET', fields_of(id), 'open') == '1'",
    "redis.pcall('HGET', fields_of(id), 'batch') == id",
    chapter=__name__,
)
