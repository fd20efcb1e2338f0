"""Bugs that only jobs with one more feature have, most of which all other tests of the kit let live."""

from tests.mutants.scripts import script_mutant


def has_no(field: str, *, of_envelope: bool = False) -> str:
    """Return a condition of Lua: the job has no such field."""
    key = "envelope_of(id)" if of_envelope else "fields_of(id)"
    return f"redis.pcall('HEXISTS', {key}, '{field}') == 0"


script_mutant(
    "ScriptPutsTheRecoveredBack",
    "`exchange.lua`: a job that has lost a worker is put back when it is done.",
    "test_combined_features_of_one_job[finish-True]",
    "if kind == 'd' then",
    f"if kind == 'd' and {has_no('recoveries', of_envelope=True)} then",
    chapter=__name__,
)
script_mutant(
    "ScriptKeepsTheRequestOfTheSaved",
    "`exchange.lua`: the new request of a retry is dropped if the job has a state.",
    "test_combined_features_of_one_job[retry later-True]",
    "if request then redis.call('SET', payload_of(id), request) end",
    f"if request and {has_no('state')} then redis.call('SET', payload_of(id), request) end",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsRunsOfTheSaved",
    "`runs.lua`: the failed run of a retry is not noted if the job has a state.",
    "test_combined_features_of_one_job[retry later-True]",
    "mark(id, 'runs', runs:match('^' .. ('[^\\n]*\\n'):rep(8)) or runs)",
    f"if {has_no('state')} then mark(id, 'runs', runs:match('^' .. ('[^\\n]*\\n'):rep(8)) or runs) end",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsErrorsOfTheKept",
    "`exchange.lua`: the error of a retry is not noted of a job with `keep_for`.",
    "test_combined_features_of_one_job[retry later-True]",
    "mark(id, 'error', error, 'ended', '-')\n            note_run(id, worker, error)",
    f"if {has_no('keep_for')} then mark(id, 'error', error, 'ended', '-') end note_run(id, worker, error)",
    chapter=__name__,
)
script_mutant(
    "ScriptTellsNobodyOfTheRemovedWithParents",
    "`changing.lua`: the removal of a job that had parents dooms none of its children.",
    "test_combined_features_of_one_job[remove each-True]",
    "if fielded and has_flows() and not ENDED[state] then holds()",
    f"if fielded and has_flows() and not ENDED[state] and {has_no('after')} then holds()",
    chapter=__name__,
)
script_mutant(
    "ScriptListsTheUniqueForEver",
    "`lines.lua`: a job with a lane and a name stays on the list of its lane's jobs when it is cancelled.",
    "test_combined_features_of_one_job[cancel each-True]",
    "for _, id in ipairs(ids) do leave_line(id) end\n  batch('ZREM', LANED, ids)",
    "for _, id in ipairs(ids) do leave_line(id) end\n"
    f"  for _, id in ipairs(ids) do if {has_no('unique')} then redis.call('ZREM', LANED, id) end end",
    chapter=__name__,
)
script_mutant(
    "ScriptHearsNothingOfLanes",
    "`abort.lua`: a worker is not told to abort a job that has a lane.",
    "test_combined_features_of_one_job[finish-True]",
    "local listener, listed = unpack(found.err and {} or found, 1, 2)\n  if listener then",
    f"local listener, listed = unpack(found.err and {{}} or found, 1, 2)\n  if listener and {has_no('lane')} then",
    chapter=__name__,
)
