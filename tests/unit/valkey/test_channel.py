"""A channel on a connection that the test holds in its hands."""

import asyncio
import math
from typing import Any, Self

import pytest
from valkey.asyncio import Valkey
from valkey.exceptions import ConnectionError as NotConnected
from valkey.exceptions import NoScriptError, ReadOnlyError, ResponseError

from jobsvalkey import ConfigurationError, StoreUnavailable, ValkeyConfiguration
from jobsvalkey.valkey import channel as module
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.clients import client_from_url
from jobsvalkey.valkey.context import ScriptContext
from jobsvalkey.valkey.routes import Route, route_to
from jobsvalkey.valkey.scripting import COUNTS
from tests.support.waiting import PATIENCE

CONTEXT = ScriptContext(ValkeyConfiguration(queue_key="q"), None)


class Connection:
    """Answers from a list: an exception is raised, and `...` is no answer at all."""

    moving_until = -math.inf

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[Any, ...]] = []
        self.silences: list[float] = []
        self.opened = 0
        self.is_open = False
        self.refuses: list[Any] = []
        self.asked: asyncio.Future[Any] | None = None

    async def connect(self, _route: Route) -> Self:
        self.opened += 1
        if self.refuses:
            refusal = self.refuses.pop(0)
            if refusal is ...:
                await asyncio.Event().wait()
            raise refusal
        self.is_open = True
        return self

    def close(self) -> None:
        self.is_open = False
        if self.asked is not None and not self.asked.done():
            self.asked.set_exception(NotConnected("closed"))

    def ask(self, words: tuple[Any, ...], silence: float) -> "asyncio.Future[Any]":
        self.sent.append(words)
        self.silences.append(silence)
        self.asked = asked = asyncio.get_running_loop().create_future()
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            asked.set_exception(answer)
        elif answer is not ...:
            asked.set_result(answer)
        return asked


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which take no time."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    return slept


def make_channel(monkeypatch: pytest.MonkeyPatch, connection: Connection, timeout: float = 5.0) -> Channel:
    monkeypatch.setattr(module, "connect", connection.connect)
    return Channel(route_to(Valkey(socket_timeout=timeout), "q"), CONTEXT)


async def test_a_script_is_called_by_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(b"answer")
    assert await make_channel(monkeypatch, connection).call(COUNTS, [1, "a", b"b"], patience=0) == b"answer"
    (sent,) = connection.sent
    assert sent == ("EVALSHA", COUNTS.digest, 1, "q", *CONTEXT.arguments(), 1, "a", b"b")


async def test_a_script_that_was_forgotten_is_sent_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(NoScriptError("No matching script"), b"answer")
    assert await make_channel(monkeypatch, connection).call(COUNTS, [], patience=0) == b"answer"
    assert connection.sent[1][:2] == ("EVAL", COUNTS.text)
    assert connection.opened == 1


async def test_pauses_grow_up_to_a_second(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    connection = Connection(*[NotConnected("reset")] * 12, b"answer")
    assert await make_channel(monkeypatch, connection).command("PING", patience=60) == b"answer"
    longest = [min(0.01 * 2**number, 1.0) for number in range(12)]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))
    assert connection.opened == 13


async def test_a_repeat_may_differ_from_what_was_sent_in_vain(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    connection = Connection(ReadOnlyError("a replica"), NotConnected("reset"), b"answer")
    channel = make_channel(monkeypatch, connection)
    await channel.call(COUNTS, ["first"], patience=60, repeat=lambda: ["again"])
    # A refusal is an answer: nothing was done. A lost connection is none.
    assert ["again" in sent for sent in connection.sent] == [False, False, True]


async def test_what_could_not_be_sent_was_not_done(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    connection = Connection()
    connection.refuses = [NotConnected("refused"), OSError("no route")] * 50
    with pytest.raises(StoreUnavailable, match=r"cannot be reached .*: nothing was done") as raised:
        await make_channel(monkeypatch, connection).command("PING", patience=0.03)
    assert raised.value.outcome == "not_done"
    assert connection.sent == []


async def test_what_was_sent_in_vain_may_have_been_done(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    connection = Connection(NotConnected("reset"))
    connection.refuses = []
    channel = make_channel(monkeypatch, connection)
    with pytest.raises(StoreUnavailable, match=r"did not answer .*: it may have been done") as raised:
        await channel.command("PING", patience=0)
    assert raised.value.outcome == "unknown"


async def test_what_was_sent_in_vain_once_stays_so(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    connection = Connection(NotConnected("reset"), ReadOnlyError("a replica"), ReadOnlyError("a replica"), b"answer")
    channel = make_channel(monkeypatch, connection)
    await channel.call(COUNTS, ["first"], patience=60, repeat=lambda: ["again"])
    assert ["again" in sent for sent in connection.sent] == [False, True, True, True]


async def test_what_may_have_been_done_is_not_forgotten(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    class Lost(Connection):
        def ask(self, words: tuple[Any, ...], silence: float) -> "asyncio.Future[Any]":
            self.refuses = [NotConnected("refused"), OSError("no route")] * 50
            return super().ask(words, silence)

    connection = Lost(NotConnected("reset"))
    with pytest.raises(StoreUnavailable, match=r"did not answer .*: it may have been done") as raised:
        await make_channel(monkeypatch, connection).command("PING", patience=0.03)
    assert raised.value.outcome == "unknown"
    assert connection.opened > 1


async def test_no_answer_counts_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(TimeoutError(), b"answer")
    channel = make_channel(monkeypatch, connection, timeout=3.0)
    assert await channel.command("PING", patience=60) == b"answer"
    assert connection.opened == 2
    assert connection.silences[0] == 3.0


async def test_an_opening_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(b"answer")
    connection.refuses = [...]
    async with asyncio.timeout(PATIENCE):
        assert await make_channel(monkeypatch, connection, timeout=0.01).command("PING", patience=60) == b"answer"
    assert connection.opened == 2


async def test_a_refusal_is_raised_at_once(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    connection = Connection(ResponseError("WRONGTYPE Operation against a key"))
    channel = make_channel(monkeypatch, connection)
    with pytest.raises(ConfigurationError, match="a key of queue 'q' is in use"):
        await channel.command("GET", "key", patience=60)
    assert pauses == []


async def test_a_cancelled_call_leaves_no_reply_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(..., b"answer")
    channel = make_channel(monkeypatch, connection)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(channel.command("PING", patience=60), 0.01)
    assert not connection.is_open
    assert await channel.command("PING", patience=60) == b"answer"
    assert connection.opened == 2


async def test_commands_go_one_by_one_in_the_order_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(*range(5))
    channel = make_channel(monkeypatch, connection)
    answers = await asyncio.gather(*(channel.command("ECHO", n, patience=60) for n in range(5)))
    assert answers == list(range(5))
    assert connection.sent == [("ECHO", n) for n in range(5)]


async def test_the_time_of_a_call_runs_while_it_waits_its_turn(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    """However many wait for a server that is away: a call says how long it may take, not how long its own attempts."""
    connection = Connection()
    connection.refuses = [...] * 31
    channel = make_channel(monkeypatch, connection)
    calls = [channel.command("PING", patience=0.2) for _ in range(31)]
    began = asyncio.get_running_loop().time()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert asyncio.get_running_loop().time() - began < 4.0  # one after the other they would take six
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 31
    assert connection.sent == []


async def test_a_closed_line_gives_up(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    connection = Connection(NotConnected("closed"))
    channel = make_channel(monkeypatch, connection)
    await channel.close()
    with pytest.raises(StoreUnavailable, match="the driver was closed"):
        await channel.command("PING", patience=60)


async def test_the_greeting_comes_with_each_connection(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    connection = Connection(b"hello", NotConnected("reset"), b"hello again", b"answer")
    monkeypatch.setattr(module, "connect", connection.connect)
    greetings: list[Any] = []

    async def greet(channel: Channel) -> None:
        greetings.append(await channel.send("HELLO"))

    assert await Channel(route_to(Valkey(), "q"), CONTEXT, greet).command("PING", patience=60) == b"answer"
    assert greetings == [b"hello", b"hello again"]


async def test_a_connection_that_was_not_greeted_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(b"answer")
    monkeypatch.setattr(module, "connect", connection.connect)
    greetings = 0

    async def greet(_: Channel) -> None:
        nonlocal greetings
        greetings += 1
        if greetings == 1:
            raise ResponseError("NOPERM no rights")

    channel = Channel(route_to(Valkey(), "q"), CONTEXT, greet)
    with pytest.raises(ConfigurationError):
        await channel.command("PING", patience=60)
    assert not connection.is_open
    assert await channel.command("PING", patience=60) == b"answer"
    assert (greetings, connection.opened) == (2, 2)


async def test_a_redirection_is_followed_once_without_a_pause(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    moved = ResponseError("MOVED 5061 10.0.0.7:7000")
    connection = Connection(moved, moved, b"answer")
    monkeypatch.setattr(module, "connect", connection.connect)
    channel = Channel(route_to(client_from_url("valkey+cluster://host"), "{q}"), CONTEXT)
    assert await channel.command("PING", patience=60) == b"answer"
    # Two nodes that disagree would have it sent to and fro.
    assert len(pauses) == 1
    assert connection.opened == 3


async def test_an_error_shows_no_login(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    connection = Connection()
    connection.refuses = [NotConnected("Error 111 connecting to me:secret@host:6379.")] * 50
    with pytest.raises(StoreUnavailable) as raised:
        await make_channel(monkeypatch, connection).command("PING", patience=0.03)
    assert "secret" not in str(raised.value)
    assert "host:6379" in str(raised.value)


async def test_each_attempt_is_given_more_time_than_the_one_before(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    connection = Connection(*[TimeoutError()] * 3, b"answer")
    assert await make_channel(monkeypatch, connection, timeout=2.0).command("PING", patience=60) == b"answer"
    assert connection.silences == [2, 4, 8, 16]


async def test_no_attempt_is_given_more_time_than_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(b"answer")
    await make_channel(monkeypatch, connection).command("PING", patience=1)
    assert 0.5 < connection.silences[0] <= 1


async def test_a_command_that_blocks_is_given_as_much_more(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(b"answer")
    await make_channel(monkeypatch, connection).command("BLPOP", "key", 4, patience=0, blocking=4)
    assert connection.silences == [9]


@pytest.mark.parametrize("refused", [False, True], ids=["in flight", "connecting"])
async def test_closing_ends_a_call(monkeypatch: pytest.MonkeyPatch, refused: bool) -> None:
    connection = Connection(...)
    connection.refuses = [...] if refused else []
    channel = make_channel(monkeypatch, connection)
    calls = [asyncio.ensure_future(channel.command("PING", patience=60)) for _ in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await channel.close()
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert not connection.is_open
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
    assert [getattr(answer, "outcome", "") for answer in answers] == (
        ["not_done"] * 3 if refused else ["unknown", "not_done", "not_done"]
    )
