"""The push of one job alone has a short way through its script. It does what the long way does, whatever it finds."""

from typing import Any

import pytest
from valkey.exceptions import ResponseError

from jobsvalkey.valkey.scripting import PUSH

ID = "3F2504E0-4F89-41D3-9A0C-0305E82C3301"
OTHER = "00000000-0000-4000-8000-000000000000"
NOW = 1_750_000_000_000_000
SHORT = "if only and #id == 36"
LISTS = ("pending", "paused", "completed", "failed", "cancelled", "metadata._ids", "metadata._kept")
FIELDED = ("_pending", "_paused", "_waiting", "_kept_completed", "_kept_cancelled", "_laned")
KEYS = (
    *LISTS,
    *(f"metadata.{name}" for name in (*FIELDED, "_claimed", "_wake", "_producer.me", "_layout")),
    "processing",
)
LATER = str(NOW // 1_000_000 + 100)

Commands = list[tuple[str, ...]]


def prepared() -> dict[str, Commands]:
    """What is there before, by name: commands whose keys lack the queue's."""
    found: dict[str, Commands] = {
        "nothing": [],
        "a hint": [("LPUSH", ".metadata._wake", "1")],
        "its request": [("SET", f"/{ID}", "old")],
        "a request of another type": [("HSET", f"/{ID}", "a", "b")],
        "its envelope": [("HSET", f"/{ID}.metadata", "recoveries", "3", "error", "old")],
        "an envelope of another type": [("SET", f"/{ID}.metadata", "odd")],
        "a claim": [("HSET", ".metadata._claimed", ID, f"1.0 {NOW} 1.5 - worker")],
        "another's claim": [("HSET", ".metadata._claimed", OTHER, f"1.0 {NOW} 1.5 - worker")],
        "it runs in a Swift worker": [("RPUSH", ".processing", ID)],
        "another runs in a Swift worker": [("RPUSH", ".processing", OTHER)],
        "the queue is paused": [("SET", ".metadata._layout", "1p")],
        "a newer layout": [("SET", ".metadata._layout", "2")],
        "the last answer": [("SET", ".metadata._producer.me", f"1 {NOW + 1000}  0")],
        "a later answer": [("SET", ".metadata._producer.me", f"2 {NOW + 1000}  1")],
        "an answer that has run out": [("SET", ".metadata._producer.me", f"1 {NOW}  0")],
    }
    for name in LISTS:
        found[f"its place in {name}"] = [("ZADD", f".{name}", LATER, ID)]
        found[f"its place in {name}, and its request"] = [("SET", f"/{ID}", "old"), ("ZADD", f".{name}", LATER, ID)]
        found[f"another's place in {name}"] = [("ZADD", f".{name}", LATER, OTHER), ("LPUSH", ".metadata._wake", "1")]
        found[f"its place in {name}, long ago"] = [("ZADD", f".{name}", "1", ID)]
    for name in FIELDED:
        found[f"its place in {name}"] = [
            ("SET", ".metadata._layout", "1rsuelf"),
            ("ZADD", f".metadata.{name}", LATER, ID),
        ]
    for key in KEYS:
        found[f"something else in {key}"] = [("SET", f".{key}", "odd")]
        found[f"a hash in {key}"] = [("HSET", f".{key}", "a", "b")]
    return found


STATES = prepared()


async def outcome(client: Any, key: str, text: str, state: Commands) -> tuple[Any, dict[str, Any]]:
    """The answer of the script, and all keys that there are then."""
    for command, suffix, *rest in state:
        await client.execute_command(command, f"{key}{suffix}", *rest)
    try:
        answer: Any = await client.eval(text, 1, key, NOW, ": : :", 600_000_000, "me", 1, "", ID, b"new")
    except ResponseError as error:
        answer = str(error).replace(key, "Q").partition(" script:")[0]
    keys = {name.decode(): await client.dump(name) for name in sorted(await client.keys(f"{key}*"))}
    if keys:
        await client.delete(*keys)
    return answer, {name.removeprefix(key): value for name, value in keys.items()}


@pytest.mark.parametrize("state", STATES)
async def test_the_short_way_does_what_the_long_way_does(state: str, valkey_client: Any, queue_key: str) -> None:
    assert PUSH.text.count(SHORT) == 1
    long = PUSH.text.replace(SHORT, "if false and #id == 36")
    expected = await outcome(valkey_client, queue_key, long, STATES[state])
    assert await outcome(valkey_client, queue_key, PUSH.text, STATES[state]) == expected


async def test_the_short_way_is_gone_where_nothing_is_known_of_the_id(valkey_client: Any, queue_key: str) -> None:
    broken = PUSH.text.replace("count_hints()\nlocal jobs = jobs_of", "error('the long way')\nlocal jobs = jobs_of")
    assert broken != PUSH.text
    for state in ("nothing", "a hint", "another's claim", *(f"another's place in {name}" for name in LISTS)):
        answer, _ = await outcome(valkey_client, queue_key, broken, STATES[state])
        assert answer == b"1", state
    answer, _ = await outcome(valkey_client, queue_key, broken, STATES["its request"])
    assert "the long way" in answer
