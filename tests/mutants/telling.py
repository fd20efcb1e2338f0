"""Bugs of how many are told of an end in one step."""

from tests.mutants.scripts import script_mutant

script_mutant(
    "ScriptTellsAnyNumber",
    "`exchange.lua`: one exchange ends jobs for which any number of others wait: the server is blocked.",
    "test_flow_how_many_are_told_in_one_step",
    "    if children > untold then return false end\n",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptRefusedChildrenCount",
    "`holds.lua`: too many children count as told, although they are not: what comes later is refused, too.",
    "test_flow_how_many_are_told_in_one_step",
    "    if children > untold then return false end\n    untold = untold - children\n",
    "    untold = untold - children\n    if untold < 0 then return false end\n",
    chapter=__name__,
)
script_mutant(
    "ScriptGoingBackTells",
    "`exchange.lua`: a retry counts as an end, of which children are told.",
    "test_flow_going_back_tells_nobody",
    "has_flows() and kind ~= 'retry' and kind ~= 'release' and not",
    "has_flows() and not",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsWhoseTurnIsLater",
    "`expiring.lua`: doomed jobs that are left for the next step are forgotten.",
    "test_flow_how_many_are_doomed_in_one_step",
    "{ unpack(ids, 1, looked_at) }",
    "ids",
    chapter=__name__,
)
