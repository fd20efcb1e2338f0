from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import Unique


@pytest.mark.parametrize(
    "key", ["a", "invoice:42", "x" * 1024, "ä" * 512, "\x00", " ", "\n", "*", "{}", "a b:c", "\U0001f600" * 256]
)
def test_a_key_is_any_text_that_is_not_too_long(key: str) -> None:
    assert Unique(key).key == key


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "1 to 1,024 bytes in UTF-8, and this one has 0"),
        ("x" * 1025, "and this one has 1,025: use a digest"),
        ("ä" * 512 + "x", "and this one has 1,025"),
        ("\ud800", "no text that can be stored"),
    ],
)
def test_keys_that_are_none(key: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Unique(key)


@pytest.mark.parametrize("until", ["end", "start", timedelta(microseconds=1), timedelta(days=36_500)])
def test_a_name_is_held_until(until: Any) -> None:
    assert Unique("key", until).until == until


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"key": 42}, TypeError, "the key of a unique job"),
        ({"key": b"key"}, TypeError, "the key of a unique job"),
        ({"key": "key", "until": 5}, TypeError, "until"),
        ({"key": "key", "until": "claim"}, ValueError, "until"),
        ({"key": "key", "until": timedelta(0)}, ValueError, "until is a time above zero"),
        ({"key": "key", "until": timedelta(days=36_501)}, ValueError, "until is a time above zero, up to 36,500 days"),
        ({"key": "key", "otherwise": "raise"}, ValueError, "otherwise"),
    ],
)
def test_what_a_name_cannot_be(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Unique(**arguments)
