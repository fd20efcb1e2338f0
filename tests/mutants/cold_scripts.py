"""Bugs of scripts that were planted later, unseen again, and that no area of the kit killed then."""

from typing import Any

from jobsvalkey.valkey import validation
from tests.mutants.cold import patched
from tests.mutants.scripts import script_mutant

# -- the scripts by the server's own clock

script_mutant(
    "ScriptOnlyLengthensLocks",
    "`acquire_lock.lua`: by the server's own clock a lock that is held is only ever made longer.",
    "test_clock_a_lock_ends_sooner_or_later",
    "redis.call('SET', META .. name, holder, 'PX', math.ceil(tonumber(duration) / 1000))",
    "if not redis.call('SET', META .. name, holder, 'NX', 'PX', math.ceil(tonumber(duration) / 1000)) then "
    "redis.call('PEXPIRE', META .. name, math.ceil(tonumber(duration) / 1000), 'GT') end",
    chapter=__name__,
)
script_mutant(
    "ScriptTakesNoShortLocks",
    "`acquire_lock.lua`: by the server's own clock a lock cannot be taken for less than a millisecond.",
    "test_clock_a_lock_ends_sooner_or_later",
    "holder, 'PX', math.ceil(tonumber(duration) / 1000))",
    "holder, 'PX', math.floor(tonumber(duration) / 1000))",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsTheFormerRate",
    "`leaving.lua`: by the server's own clock claims are forgotten when the former rate allows it.",
    "test_clock_a_rate_becomes_stricter",
    "if ends > now then -- it may be longer since",
    "if false then",
    chapter=__name__,
)

# -- the scripts, where two features meet

script_mutant(
    "ScriptGoesOnBehindTheMoved",
    "`page.lua`: a page continues behind the job at its cursor, wherever that job is by then.",
    "test_together_the_job_at_a_cursor_has_moved_on_its_list",
    "if rank and tonumber(redis.call('ZSCORE', key, after_id)) ~= position then rank = nil end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsWhomAParentReplaced",
    "`planning.lua`: a parent that has replaced the holder of its name is not known to its child.",
    "test_together_a_parent_stands_for_the_holder_of_its_name",
    "stands[id] = holder or id",
    "stands[id] = letters[n] == 'n' and holder or id",
    chapter=__name__,
)
script_mutant(
    "ScriptEndsANameAsBefore",
    "`naming.lua`: a name that is now held to the job's end is free when its former time is over.",
    "test_together_a_name_is_held_as_the_replacement_says",
    "untimed[#untimed + 1] = unique.name",
    "do end",
    chapter=__name__,
)
script_mutant(
    "ScriptLosesTheTurnOfAReplaced",
    "`lines.lua`: a line that a step empties and fills again loses its turn.",
    "test_together_a_lane_whose_only_job_is_replaced_keeps_its_turn",
    "before[line] = before[line] or math.min(place and turn_at(place) or start, start)",
    "before[line] = math.min(place and turn_at(place) or start, start)",
    chapter=__name__,
)
script_mutant(
    "ScriptSeesNoRoomBelowALoweredLimit",
    "`leaving.lua`: a lane that had more jobs than it may have gets none when several of them end at once.",
    "test_together_a_lane_beyond_its_limit_has_room_again",
    "if places > 0 and places <= #ids then",
    "if places > 0 and places == #ids then",
    chapter=__name__,
)
script_mutant(
    "ScriptKeepsTheReportOfTheEnd",
    "`exchange.lua`: the first report of a job stays behind if it comes with the job's end.",
    "test_together_the_first_report_comes_with_a_settlement[finish]",
    "if made_fielded[id] then is_fielded_one = true end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptReadsSpoiledNamesOfLanes",
    "`claims.lua`: a percent sign in the name of a lane is not written as one, and is read as another letter.",
    "test_together_a_limited_lane_may_have_any_name",
    "if lane:find('[%s%%]') then",
    "if lane:find('%s') then",
    chapter=__name__,
)
script_mutant(
    "ScriptFeatureEndsThePause",
    "`layout.lua`: a feature that is first used while the queue is paused ends the pause.",
    "test_pausing_lasts_when_a_feature_is_first_used",
    "features = features .. letter",
    "features = features:gsub(PAUSE, '') .. letter",
    chapter=__name__,
)
script_mutant(
    "ScriptTakesTheDueTimeForTheAge",
    "`cleanup.lua`: with `as_of` and no age a waiting job counts from when it is due.",
    "test_cleanup_what_waits_is_as_old_as_it_is_stored",
    "if latest < math.huge and not is_certain then",
    "if age and not is_certain then",
    chapter=__name__,
)
script_mutant(
    "ScriptKnowsOneEndOfLines",
    "`runs.lua`: the first line of an error ends at a line feed only.",
    "test_runs_show_one_line_of_the_error",
    "error:match('^[^\\r\\n]*')",
    "error:match('^[^\\n]*')",
    chapter=__name__,
)

script_mutant(
    "ScriptLeavesAPast",
    "`duplicates.lua`: a new job under an old id begins with the recoveries and the runs of the old one.",
    "test_life_a_new_job_of_an_old_id[age]",
    "for _, id in ipairs(ids) do\nredis.call('DEL', envelope_of(id))",
    "for _, id in ipairs(ids) do redis.call('HDEL', envelope_of(id), 'stored', 'remember', 'status', 'error', 'ended')",
    chapter=__name__,
)

script_mutant(
    "ScriptTellsNobodyOfRevokedRoom",
    "`places.lua`: a cleanup that takes a claim away in a full lane wakes nobody.",
    "test_limits_room_is_told[remove-1]",
    "if unclaim({ id }, worker) then wake() end",
    "unclaim({ id }, worker)",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsKeptFailures",
    "`ending.lua`: a failure that is to be kept goes when its `keep_for` is over.",
    "test_results_a_failure_that_is_kept_stays",
    "if keep_for and not keep and (policy.age or policy.count) then",
    "if keep_for and (policy.age or policy.count) then",
    chapter=__name__,
)

script_mutant(
    "ScriptLeavesInputsOfAnOldChild",
    "`duplicates.lua`: a new job under the id of a child leaves the results that the child was told in the store.",
    "test_behind_a_new_job_of_a_childs_id_leaves_nothing",
    "if has_flows() then forget_inputs(id) end",
    "",
    chapter=__name__,
)

script_mutant(
    "ScriptPushesIntoAnOldLock",
    "`push_if.lua`: a value that is set where a lock has run out is taken for that lock.",
    "test_scheduling_where_a_lock_was",
    "redis.call('HDEL', LOCKS, name)",
    "",
    only="PUSH_IF",
    chapter=__name__,
)

script_mutant(
    "ScriptHintsAtDueJobsOnly",
    "`pending.lua`: a delayed job that is due before all others wakes nobody: a worker sleeps on until the next one.",
    "test_wait_a_sooner_job_wakes",
    "or tonumber(redis.call('ZRANGE', list, 0, 0, 'WITHSCORES')[2]) >= tonumber(earliest)",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptKeepsAResultForEachChild",
    "`inputs.lua`: a result is stored again for each child that is pushed after its parent's end.",
    "test_behind_a_result_is_there_once",
    "if not there or there == result then",
    "if not there then",
    chapter=__name__,
)
script_mutant(
    "ScriptSparesWhatWaitsNoMore",
    "`cleanup.lua`: a cleanup of waiting jobs leaves a callback whose last members it removes.",
    "test_together_a_cleanup_takes_what_waited_when_it_began",
    "waits[id] and state == 'pending'",
    "false",
    chapter=__name__,
)

# -- what a claim or an end leaves for later steps

script_mutant(
    "ScriptOffersAUsedUpRate",
    "`leaving.lua`: a lane that has just used up its rate stays offered, and says so to who does not claim.",
    "test_rates_one_that_is_just_used_up",
    "length and length < limit.n",
    "length and length <= limit.n",
    chapter=__name__,
)
script_mutant(
    "ScriptRemembersFromALateTrim",
    "`ending.lua`: the window of a job that was too old begins when another end trims it.",
    "test_retention_the_window_is_over_whether_or_not_anybody_looked[an end-0]",
    "policy.age and math.min(now, micro(entries[i + 1]) + policy.age) or now)",
    "now)",
    chapter=__name__,
)
script_mutant(
    "ScriptTellsOfNoLaterJobBesideAFullLane",
    "`pending.lua`: a job that is due later wakes nobody, if one of a full lane is due before it.",
    "test_laned_a_later_job_beside_a_full_lane_is_told",
    "is_news = (line_up(LANED, laned) or has_limits()) and is_offered or is_news",
    "is_news = line_up(LANED, laned) and is_offered or is_news",
    chapter=__name__,
)
script_mutant(
    "ScriptCountsTheLastThousandEnvelopes",
    "`batches.lua`: an exchange claims more than 1,000 jobs, and if the last ones have no envelope, none has.",
    "test_size_claims_of_which_one_has_an_envelope",
    "function(found) count = count + found end",
    "function(found) count = found end",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsTheTurnOfAFullLine",
    "`lines.lua`: a job that comes to a line of a full lane, or leaves it, makes the line forget when it was served.",
    "test_laned_a_full_line_that_changes_keeps_its_turn[push]",
    "math.min(place and turn_at(place) or start, start)",
    "math.min(place or start, start)",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsIdsThatAPushReplaces",
    "`planning.lua`: an id is not remembered, if its job is replaced in the push that it comes with.",
    "test_replacing_in_one_push_the_id_stays_remembered",
    "(place.own and heads[place.own]:match('^%S+ %S+ (%S+)') or '-')",
    "'-'",
    chapter=__name__,
)
script_mutant(
    "ScriptReplacesChildrenOfItsPush",
    "`planning.lua`: a job with parents is replaced, if that comes in the same push.",
    "test_replacing_in_one_push_leaves_a_child",
    "not jobs.held[n] and not looks[holder]",
    "not jobs.held[n]",
    chapter=__name__,
)

# -- what looks for damage

LISTS: Any = vars(validation)["_LISTS"]
for _name, _list, _killer in (
    ("ValidatesNoLines", "_laned", "in_a_line[a-0]"),
    ("ValidatesNoneThatWait", "_waiting", "of_a_job_to_keep[waiting]"),
):
    patched(
        _name,
        f"`validation.py`: jobs of the list `{_list}` are not looked at, unless something else tells of them.",
        f"test_damage_it_is_found_{_killer}",
        validation,
        "_LISTS",
        tuple(each for each in LISTS if each != f".metadata.{_list}"),
        chapter=__name__,
    )

# -- what a look shows at an instant, what a waiting job keeps, and lines while too many jobs have expired

script_mutant(
    "ScriptCountsWhoseLockEndsNow",
    "`load.lua`: a worker whose lock ends at this moment counts as alive.",
    "test_precision_the_end_of_a_lock_as_it_is_shown",
    "redis.call('ZCOUNT', WORKERS, '(' .. whole(now), '+inf')",
    "redis.call('ZCOUNT', WORKERS, whole(now), '+inf')",
    chapter=__name__,
)
script_mutant(
    "ScriptCountsWhatIsGoneNow",
    "`retention.lua`: a job with `keep_for` is counted once more at the moment at which it is gone.",
    "test_precision_the_end_of_what_is_shown",
    "redis.call('ZCOUNT', policy.lasts, '-inf', whole(now))",
    "redis.call('ZCOUNT', policy.lasts, '-inf', '(' .. whole(now))",
    chapter=__name__,
)
script_mutant(
    "ScriptResumesWithoutExpiry",
    "`resume.lua`: what a waiting job is doomed by is forgotten after it has been put back, and its expiry with that.",
    "test_back_a_job_that_waited_is_as_it_was_pushed[resumed]",
    """if state == 'waiting' then redis.call('ZREM', ENDS_AT, id) end -- it may be doomed
enter_one(id, score, fielded)
""",
    """enter_one(id, score, fielded)
if state == 'waiting' then redis.call('ZREM', ENDS_AT, id) end
""",
    chapter=__name__,
)
script_mutant(
    "ScriptServesTheHeadOfALine",
    "`turning.lua`: while too many jobs have expired, a line loses its first jobs instead of those that were claimed.",
    "test_laned_behind_what_has_expired_in_its_line",
    "if has_more_overdue then redis.call('ZREM', line.key, id) end",
    "if has_more_overdue then redis.call('ZREMRANGEBYRANK', line.key, 0, 0) end",
    chapter=__name__,
)
script_mutant(
    "ScriptTakesTheFirstSendingForANewOne",
    "`exchange.lua`: when a call that did nothing was sent again, its first request claims when it arrives.",
    "test_overtaken_it_does_nothing_any_more[exchange_in_vain]",
    "tonumber(in_vain:sub(17)) >= tonumber(call:sub(17))",
    "tonumber(in_vain:sub(17)) > tonumber(call:sub(17))",
    chapter=__name__,
)
script_mutant(
    "ScriptCountsTheLastChildOnly",
    "`inputs.lua`: the result of a parent that had ended is gone with the first of those that were pushed after that.",
    "test_flow_a_parent_of_an_earlier_push[True-result]",
    "redis.call('HINCRBY', key, 'references', children)",
    "redis.call('HSET', key, 'references', children)",
    chapter=__name__,
)
script_mutant(
    "ScriptHoldsForNobody",
    "`metadata.lua`: a lock whose holder has an empty name is free.",
    "test_exact_holders_are_told_apart",
    "tonumber(expires) > now and { holder = value } or {}",
    "tonumber(expires) > now and { holder = value ~= '' and value } or {}",
    chapter=__name__,
)
script_mutant(
    "ScriptHoldsForNobodyByTheServersClock",
    "`metadata.lua`: the same by the server's own clock.",
    "test_clock_a_lock_ends_sooner_or_later",
    "redis.call('PTTL', key) >= 0 and { holder = value }",
    "redis.call('PTTL', key) >= 0 and { holder = value ~= '' and value }",
    chapter=__name__,
)

# -- an id that comes again, when the time of its last job is over and nobody has trimmed that

script_mutant(
    "ScriptTrimsTheNextOfItsId",
    "`duplicates.lua`: a new job is trimmed for the age of the one that had its id.",
    "test_retention_retain_for[completed]",
    "      redis.call('ZREM', ENDED[ended].key, id)\n",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptKeepsTheNextOfItsId",
    "`duplicates.lua`: a new job is kept for ever, since the one that had its id was kept for a time.",
    "test_results_an_ended_job_is_kept_for_its_time[completed]",
    "        redis.call('ZREM', ENDED[ended].kept, id)\n",
    "",
    chapter=__name__,
)
