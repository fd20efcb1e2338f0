"""Bugs of limits for lanes."""

from jobsvalkey.contract import LaneLimit, Operation
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant


@mutant("test_limits_no_more_run_than_may", found_by=[Search.MACHINE])
class OneMoreRuns(Twin):
    """One more job runs than the limit allows."""

    async def set_lane_limit(
        self, pattern: str, limit: LaneLimit | None, *, operation: Operation | None = None
    ) -> None:
        limit = limit and LaneLimit(None if limit.concurrency is None else limit.concurrency + 1, limit.rate)
        await super().set_lane_limit(pattern, limit, operation=operation)


@mutant("test_limits_what_runs_already_counts", found_by=[Search.MACHINE])
class LimitOfIdleLanesOnly(Twin):
    """A limit is not set while jobs of a lane run."""

    async def set_lane_limit(
        self, pattern: str, limit: LaneLimit | None, *, operation: Operation | None = None
    ) -> None:
        if not self.state.lanes.slots:
            await super().set_lane_limit(pattern, limit, operation=operation)


@mutant("test_rates_no_window_has_more", found_by=[Search.MACHINE])
class RateForgotten(Twin):
    """A limit has no rate."""

    async def set_lane_limit(
        self, pattern: str, limit: LaneLimit | None, *, operation: Operation | None = None
    ) -> None:
        limit = limit and LaneLimit(limit.concurrency or 1_000_000)
        await super().set_lane_limit(pattern, limit, operation=operation)


def _script_mutant(name: str, bug: str, killer: str, line: str, replaced: str, only: str | None = None) -> None:
    script_mutant(name, bug, killer, line, replaced, chapter=__name__, only=only)


_script_mutant(
    "ScriptClaimTakesNoSlot",
    "`leaving.lua`: a claim takes no slot.",
    "test_limits_no_more_run_than_may",
    "try_batch('SADD', slots_of(lane), ids)",
    "",
)
_script_mutant(
    "ScriptSlotOutlivesTheClaim",
    "`leaving.lua`: the end of a claim does not free its slot.",
    "test_limits_every_end_of_a_claim_makes_room",
    "try_batch('SREM', keys[n], lanes[lane])",
    "",
)
_script_mutant(
    "ScriptLanesCountAsEmptied",
    "`leaving.lua`: a lane counts as empty when one of its claims has ended.",
    "test_limits_no_more_run_than_may",
    "local has_claims = count_existing(keys) > 0",
    "local has_claims = false",
)
_script_mutant(
    "ScriptLaneStaysHeldBack",
    "`leaving.lua`: a lane that has room again is not offered.",
    "test_limits_every_end_of_a_claim_makes_room",
    "if places > 0 and places <= #ids then",
    "if false then",
)
_script_mutant(
    "ScriptLaneComesBackLast",
    "`leaving.lua`: a lane that has room again has lost its turn.",
    "test_limits_a_lane_keeps_its_turn",
    "again[#again + 1], again[#again + 2], is_found[names[n]] = names[n], turn, true",
    "again[#again + 1], again[#again + 2], is_found[names[n]] = names[n], now + 9, true",
)
_script_mutant(
    "ScriptOtherPrioritiesOffered",
    "`turning.lua`: the lines of a full lane that were not served stay offered.",
    "test_limits_a_full_lane_delays_nobody",
    "and (has_several or not tally.ids) then",
    "and false then",
)
_script_mutant(
    "ScriptLimitOfEachPriority",
    "`turning.lua`: what an exchange claims of one line of a lane does not count for the others.",
    "test_limits_are_of_all_priorities_together",
    "if id then tally.chosen = before + 1 end",
    "",
)
_script_mutant(
    "ScriptShortestPatternCounts",
    "`slots.lua`: the shortest pattern counts.",
    "test_limits_the_longest_pattern_counts",
    "limit = limit_by_pattern[pattern]\nend",
    "limit = lengths[1] and limit_by_pattern[lane:sub(1, lengths[#lengths]) .. '*']\nend",
)
_script_mutant(
    "ScriptOldClaimsHaveNoSlots",
    "`limits.lua`: claims that were made before the first limit have no slots.",
    "test_limits_what_runs_already_counts",
    "begin_to_use('c')\ntake_slots_of_all()",
    "begin_to_use('c')",
)
_script_mutant(
    "ScriptNewLimitLooksAtNothing",
    "`limits.lua`: the lines of lanes whose limit has changed are not looked at.",
    "test_limits_more_run_at_once_when_they_may",
    "redis.call('HSET', SWEEPS, pattern, '')",
    "",
)
_script_mutant(
    "ScriptRequestBehindTheLane",
    "`claims.lua`: a request for the end of a claim is noted behind its lane, and read as a part of that.",
    "test_limits_every_end_of_a_claim_makes_room",
    "(notes == '-' and note or note .. '+' .. notes)",
    "(notes == '-' and note or notes .. '+' .. note)",
)
_script_mutant(
    "ScriptRoomIsNotTold",
    "`exchange.lua`: an exchange that makes room wakes nobody.",
    "test_limits_room_is_told",
    "room_since = unclaim(settled, worker, lanes, is_claiming)",
    "unclaim(settled, worker, lanes, is_claiming)",
)
_script_mutant(
    "ScriptLaterRoomIsNotTold",
    "`exchange.lua`: an exchange that makes room for a job that is due later wakes nobody.",
    "test_limits_room_for_a_later_job_is_told",
    "or room_since > now",
    "",
)
_script_mutant(
    "ScriptLateRoomIsNotTold",
    "`exchange.lua`: an exchange that makes room wakes nobody if the worker's lock has run out.",
    "test_limits_room_is_told",
    "or next_due == 'expired'",
    "",
)
_script_mutant(
    "ScriptFullLanesTakeNoTurns",
    "`turning.lua`: a job without a lane takes no turn while all lanes are full.",
    "test_lanes_full_ones_take_turns_with_jobs_of_none",
    "if #priorities == 0 then",
    "if not priorities[1] or redis.call('ZCOUNT', offers_of(priorities[1]), 0, '+inf') == 0 then",
)
_script_mutant(
    "ScriptFirstLimitIsNotSeen",
    "`limits.lua`: lanes are looked at under the limits from before the first one.",
    "test_limits_what_runs_already_counts",
    "lengths, tallies, limit_by_pattern = nil, {}, {}",
    "",
)
_script_mutant(
    "ScriptNewLimitIsNotTold",
    "`set_lane_limit.lua`: a new limit wakes nobody.",
    "test_limits_a_new_one_leaves_a_hint",
    "wake()\nreturn record(has_more and 'more' or 'done')",
    "return record(has_more and 'more' or 'done')",
)
_script_mutant(
    "ScriptIdleLanesListed",
    "`leaving.lua`: a lane without jobs stays in the list.",
    "test_limits_lanes_are_listed",
    "batch('ZREM', LANES, names)",
    "",
)
_script_mutant(
    "ScriptAnyNumberOfLimits",
    "`set_lane_limit.lua`: any number of patterns has a limit.",
    "test_limits_what_cannot_be",
    "> MOST_LIMITS then return 'full' end",
    "> 1000 then return 'full' end",
)
_script_mutant(
    "ScriptClaimsHaveNoTime",
    "`leaving.lua`: the time of a claim is not listed.",
    "test_rates_no_window_has_more",
    "try_batch('RPUSH', rate, times)",
    "0",
)
_script_mutant(
    "ScriptRateIsOneMore",
    "`slots.lua`: a lane begins one more job than its rate allows.",
    "test_rates_no_window_has_more",
    "redis.pcall('LINDEX', rate_of(lane), more - limit.n)",
    "redis.pcall('LINDEX', rate_of(lane), more - limit.n - 1)",
)
_script_mutant(
    "ScriptRateOfEachExchange",
    "`turning.lua`: what an exchange claims itself does not count for the rate.",
    "test_rates_no_window_has_more",
    "allowed_at(lane, before) > now",
    "allowed_at(lane, 0) > now",
)
_script_mutant(
    "ScriptRateIsNoTurn",
    "`lines.lua`: the turn of a line does not wait for the rate of its lane.",
    "test_rates_a_lane_at_its_rate_delays_nobody",
    "math.max(micro(first), before[line], allowed > now and not is_spoiled and allowed or 0)",
    "math.max(micro(first), before[line])",
)
_script_mutant(
    "ScriptLinesTellAll",
    "`told.lua`: the claim of a job with a lane tells no other field, though queues have such fields.",
    "test_laned_tells_all_of_a_job",
    "local have_lines_only = not features:find('[rsuef]')",
    "local have_lines_only = true",
)
_script_mutant(
    "ScriptHeldBackIsOffered",
    "`turning.lua`: the line of a lane that has become full stays offered.",
    "test_limits_a_full_lane_delays_nobody",
    "tally and tally.places <= 0 and held_back(turn) or turn, lane",
    "turn, lane",
)
_script_mutant(
    "ScriptIdleLaneForgottenTooSoon",
    "`leaving.lua`: a lane that has a new claim in the step in which its last one ended is not listed any more.",
    "test_laned_listed_while_its_jobs_run_one_after_the_other",
    "if tally.is_idle then tally.is_idle = false else names[#names + 1], names[#names + 2] = 0, lane .. '*' end",
    "if not tally.is_idle then names[#names + 1], names[#names + 2] = 0, lane .. '*' end",
)
_script_mutant(
    "ScriptRoomIsForgotten",
    "`leaving.lua`: a lane that has room again is not offered, if the step that made it claims others.",
    "test_limits_every_end_of_a_claim_makes_room",
    "offer_reopened()\nlocal names = {}",
    "local names = {}",
)
_script_mutant(
    "ScriptRoomInAnyOrder",
    "`leaving.lua`: lanes that have room again are served in the order in which their jobs have ended.",
    "test_laned_room_is_taken_by_turns",
    "if not is_in_order then offer_reopened() end",
    "",
)
_script_mutant(
    "ScriptRoomGoesFirst",
    "`turning.lua`: lanes that have room again go before those that wait.",
    "test_laned_room_is_taken_by_turns",
    "if again and redis.call('ZRANGEBYSCORE', offers_of(priority), 0, last, 'LIMIT', 0, 1)[1] then",
    "if false then",
)
_script_mutant(
    "ScriptServedIsOfferedAgain",
    "`lines.lua`: a lane that had room and has taken it is offered with its old turn.",
    "test_laned_room_is_taken_by_turns",
    "if not (is_done and is_done(priority, lanes[n])) then",
    "if true then",
)
