"""Bugs of Python that were planted when the areas killed nine of ten, and that lived, with their like."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from textwrap import dedent
from typing import Any

from jobsvalkey.valkey import holds
from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.ends import Ends
from jobsvalkey.valkey.exchanges import ExchangeChannel
from jobsvalkey.valkey.inspection import ValkeyInspection
from jobsvalkey.valkey.listening import Listener
from jobsvalkey.valkey.pushing import Pusher
from jobsvalkey.valkey.scripting import Script
from tests.mutants.cold import patched


def edited(function: Callable[..., Any], old: str, new: str) -> Callable[..., Any]:
    """Return a function as it would be with another text in one place."""
    source = dedent(inspect.getsource(function))
    assert source.count(old) == 1, old
    made = dict[str, Any]()
    code = compile(source.replace(old, new), inspect.getfile(function), "exec")
    exec(code, function.__globals__, made)  # noqa: S102 - that is its purpose
    return made[function.__name__]


def edited_mutant(name: str, bug: str, killer: str, owner: type, method: str, old: str, new: str) -> None:
    """Enter a bug of one method of the driver's."""
    patched(name, bug, killer, owner, method, edited(vars(owner)[method], old, new), chapter=__name__)


_NOTED = "unanswered = unanswered or (sent and not isinstance(error, ResponseError))"
edited_mutant(
    "TheLastAttemptCounts",
    "`channel.py`: what is known of a step is what is known of its last attempt.",
    "test_connection_every_attempt_counts",
    Channel,
    "_persist",
    _NOTED,
    "unanswered = sent and not isinstance(error, ResponseError)",
)
edited_mutant(
    "ARefusalUndoes",
    "`channel.py`: a step whose reply was lost was not done, if a later attempt is refused.",
    "test_connection_every_attempt_counts",
    Channel,
    "_persist",
    _NOTED,
    "unanswered = (unanswered or sent) and not isinstance(error, ResponseError)",
)
edited_mutant(
    "NoConnectionUndoes",
    "`channel.py`: nor if no connection can be made for a later attempt.",
    "test_connection_every_attempt_counts",
    Channel,
    "_persist",
    _NOTED,
    "unanswered = sent and (unanswered or not isinstance(error, ResponseError))",
)
_CURSOR = "cursors[-1] if len(found) > limit else None"
edited_mutant(
    "AShortPageIsTheLast",
    "`inspection.py`: a page that a job leaves while it is made has no cursor, so that all after it are missed.",
    "test_inspection_pages_while_jobs_move",
    ValkeyInspection,
    "page",
    _CURSOR,
    "cursors[-1] if len(found) > limit and len(jobs) == limit else None",
)
edited_mutant(
    "AnEmptyPageIsTheLast",
    "`inspection.py`: nor has a page that all of its jobs leave.",
    "test_inspection_pages_while_jobs_move",
    ValkeyInspection,
    "page",
    _CURSOR,
    "here[-1][1] if here and len(found) > limit else None",
)


CALL: Any = vars(Channel)["call"]


def renumbering(name: str) -> Callable[..., Awaitable[Reply]]:
    """The driver's `call`, but for steps of this name: each that is sent again gets a number of its own."""

    def call(channel: Channel, script: Script, arguments: Sequence[Argument], **options: Any) -> Awaitable[Reply]:
        if script.name != name:
            return CALL(channel, script, arguments, **options)
        return CALL(channel, script, arguments, repeat=lambda: [f"{arguments[0]}'", *arguments[1:]], **options)

    return call


patched(
    "SentAgainUnderANewNumber",
    "`channel.py`: a step that is sent again has another number: when its first request arrives, it is done again.",
    "test_overtaken_it_does_nothing_any_more[set_metadata]",
    Channel,
    "call",
    renumbering("set_metadata"),
    chapter=__name__,
)
patched(
    "ConditionSentAgainUnderANewNumber",
    "`channel.py`: the same, for a conditional push: the key may hold again what it expects.",
    "test_overtaken_it_does_nothing_any_more[push_if]",
    Channel,
    "call",
    renumbering("push_if"),
    chapter=__name__,
)
edited_mutant(
    "NoLookWhenTheStoreIsBack",
    "`listening.py`: who began to wait while the store was away sleeps on when it is back.",
    "test_connection_a_wait_ends_when_the_store_is_back",
    Listener,
    "_listen",
    "self._on_gap()",
    "pass",
)
edited_mutant(
    "APushThatSharesAStepWasNotMade",
    "`pushing.py`: calls whose pushes share a step hear that nothing was pushed, though it may have been.",
    "test_connection_each_of_a_shared_step_is_told",
    Pusher,
    "_run",
    "_another(error)",
    'StoreUnavailable("nothing was pushed", outcome="not_done")',
)
edited_mutant(
    "TheFirstLockHoldsTheConnection",
    "`exchanges.py`: the connection of a worker is held for its first lock, though a renewal has let that end sooner.",
    "test_connection_of_a_worker_that_left[True]",
    ExchangeChannel,
    "locked_for",
    "self._alarm.cancel()",
    "return",
)
edited_mutant(
    "PolledForOnce",
    "`ends.py`: when nobody has waited for a while, nobody is polled for any more: only what the stream tells is seen.",
    "test_ended_the_poll_is_the_guarantee",
    Ends,
    "_poll",
    "self._polling = False",
    "pass",
)
patched(
    "AnEmptyResultIsNone",
    "`holds.py`: a child is told of a parent whose result is empty that it has none.",
    "test_flow_results_are_handed_on",
    holds,
    "told",
    edited(holds.told, 'found.get(b"r." + str(parent).encode())', 'found.get(b"r." + str(parent).encode()) or None'),
    chapter=__name__,
)
