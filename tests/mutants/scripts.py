"""Bugs of the Valkey driver's scripts: one line of one of them is replaced, on a real server."""

import hashlib
import re
from typing import Any, ClassVar

from jobsvalkey.valkey import scripting
from jobsvalkey.valkey.scripting import Script
from tests.mutants.mutant import Mutant, enter
from tests.support.harnesses import ValkeyHarness


class ScriptHarness(ValkeyHarness):
    """The Valkey driver's harness, with a line of the scripts replaced from start to stop."""

    line: ClassVar[str]
    replaced: ClassVar[str]
    only: ClassVar[str | None] = None
    """The name of the one script that is changed, if the line is in several."""

    async def start(self) -> None:
        """Replace the line in every script that has it; one that no script has is an error."""
        await super().start()
        self._before = [(script, script.text, script.digest) for script in scripts_with(self.line, self.only)]
        assert self._before, f"no script has the line {self.line!r}"
        for script, text, _ in self._before:
            text = pattern(self.line).sub(lambda _: self.replaced, text)
            _set(script, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

    async def stop(self) -> None:
        """Put the line back."""
        for script, text, digest in self._before:
            _set(script, text, digest)
        await super().stop()


def scripts_with(line: str, only: str | None = None) -> list[Script]:
    """The scripts that have a line, or the one of them that is named."""
    named = {name: each for name, each in vars(scripting).items() if isinstance(each, Script)}
    scripts = list(named.values()) if only is None else [named[only]]
    return [script for script in scripts if pattern(line).search(script.text)]


def pattern(line: str) -> re.Pattern[str]:
    """Find a line, or several: these are further to the right in a script that uses them in an inner block."""
    return re.compile(re.sub(r"\\\n(?:\\ )*", "\n *", re.escape(line)))


def _set(script: Script, text: str, digest: str) -> None:
    # Scripts are frozen, and known by name in many modules: this is the one place that changes them.
    object.__setattr__(script, "text", text)
    object.__setattr__(script, "digest", digest)


def script_mutant(
    name: str,
    bug: str,
    killer: str,
    line: str,
    replaced: str,
    *,
    weakness: int | None = None,
    only: str | None = None,
    chapter: str = __name__,
) -> None:
    """Enter a bug of the scripts."""
    attributes: dict[str, Any] = {"line": line, "replaced": replaced, "only": only}
    harness_type = type(f"{name}Harness", (ScriptHarness,), attributes)
    enter(
        Mutant(
            name=name,
            bug=bug,
            killer=killer,
            harness_type=harness_type,
            chapter=chapter,
            weakness=weakness,
        )
    )


script_mutant(
    "ScriptForgetsWorker",
    "`exchange.lua`: a claim is checked against job and token, but not against the worker.",
    "test_settle_the_token_of_another_worker",
    "if token == tokens[n] and holder == worker then",
    "if token == tokens[n] then",
    weakness=3,
)
script_mutant(
    "ScriptForgetsToken",
    "`exchange.lua`: a claim is checked against job and worker, but not against the token.",
    "test_settle_a_worker_is_fenced_from_its_own_past",
    "if token == tokens[n] and holder == worker then",
    "if holder == worker then",
)
script_mutant(
    "ScriptDeliversEarly",
    "`exchange.lua`: jobs are claimed before they are due.",
    "test_order_not_before_a_delay_is_over",
    "redis.call('ZRANGEBYSCORE', list, '-inf', seconds(now), 'WITHSCORES', 'LIMIT', 0, limit",
    "redis.call('ZRANGEBYSCORE', list, '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, limit",
    weakness=7,
)
script_mutant(
    "ScriptLeavesPayload",
    "`exchange.lua`: the payload of a finished job stays behind, on no list.",
    "test_inspection_what_is_gone_leaves_nothing_behind",
    "local gone, completed, failed, cancelled = settled, #settled, 0, 0",
    "local gone, completed, failed, cancelled = {}, #settled, 0, 0",
    weakness=1,
)
script_mutant(
    "ScriptRecoversUncounted",
    "`recover.lua`: a recovery is not counted.",
    "test_worker_the_jobs_of_a_dead_worker_are_pending_again",
    "release(ids, claims, worker, has_died[worker] and count_recovery, true)",
    "release(ids, claims, worker, nil, true)",
    weakness=19,
)
script_mutant(
    "ScriptCancelsRunning",
    "`cancel.lua`: a job that runs is cancelled, and its payload deleted.",
    "test_cancel_a_running_job_keeps_its_data",
    "if state ~= 'pending' and state ~= 'paused' and state ~= 'waiting' then return record_always('0') end",
    "if not state then return record_always('0') end",
    weakness=4,
)
script_mutant(
    "ScriptPushesWithoutCompare",
    "`push_if.lua`: pushes, whatever the key holds.",
    "test_scheduling_something_else_is_there",
    "if (present.plain or false) ~= (has_expected == '1' and expected) then return record('unexpected') end",
    "",
    weakness=10,
)
script_mutant(
    "ScriptTakesAnyContent",
    "`operations.lua`: a number that was used for something else counts as a repeat.",
    "test_repeat_the_same_sequence_for_something_else",
    "if digest ~= digest_of_last then",
    "if false then",
)
script_mutant(
    "ScriptCutsTimes",
    "`time.lua`: times are written with three decimals.",
    "test_order_order_to_the_smallest_step_of_time",
    "return string.format('%.6f', microseconds / 1000000)",
    "return string.format('%.3f', microseconds / 1000000)",
)
script_mutant(
    "ScriptRemembersLock",
    "`acquire_lock.lua`: a repeat is told that the lock is held, whoever has it by then.",
    "test_repeat_a_lock_is_looked_at_again",
    "if answer and present.holder == holder then return answer end",
    "if answer then return answer end",
)
script_mutant(
    "ScriptHintOfTheFirst",
    "`pending.lua`: a push of several leaves a hint only if the first of them is due.",
    "test_wait_any_job_of_a_push_wakes",
    "if entries[n] ~= earliest and tonumber(entries[n]) < tonumber(earliest) then earliest = entries[n] end",
    "",
    only="PUSH",
)
script_mutant(
    "ScriptNamesStay",
    "`freeing.lua`: names whose time is over stay in the store for good.",
    "test_unique_names_that_have_run_out_do_not_fill_the_store",
    "batch('HDEL', NAMES, past)",
    "",
)
script_mutant(
    "ScriptTrimsAfterTwo",
    "`exchange.lua`, `releasing.lua`: a single job that is cancelled pushes none out.",
    "test_behind_what_is_beyond_its_retention_is_trimmed[cancel a claim-1]",
    "if cancelled > 0 then trim(",
    "if cancelled > 1 then trim(",
)
script_mutant(
    "ScriptLateCallsClaim",
    "`exchange.lua`: an exchange that arrives when its repeat was answered claims what has come since.",
    "test_late_an_exchange_after_its_repeat",
    "if in_vain and in_vain:sub(1, 16)",
    "if false and in_vain:sub(1, 16)",
)

for cause, script, file in (
    ("resume", "RESUME", "resume.lua"),
    ("rerun", "CHANGE", "change.lua"),
    ("retry", "EXCHANGE", "exchange.lua"),
    ("release", "EXCHANGE", "exchange.lua"),
    ("recovery", "RECOVER", "recover.lua"),
    ("close", "CLOSE_WORKER", "close_worker.lua"),
    ("push_if", "PUSH_IF", "push_if.lua"),
):
    script_mutant(
        f"ScriptHintlessAfter{cause.title().replace('_', '')}",
        f"`{file}`: what comes back by `{cause}` leaves no hint; one of an earlier push may still lie there.",
        f"test_wait_what_makes_work_wakes[{cause}]",
        "if is_news then wake() end",
        "if false then wake() end",
        only=script,
    )
