"""Compares a value with what arrives of it, field by field: `==` may leave fields out, or raise, or not be there."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, cast
from uuid import UUID

import msgspec

from jobsvalkey.contract.option_types import with_article
from jobsvalkey.runtime.values.pydantic_models import SECRETS_ADVICE, as_json_value, is_secret

_JSON_KINDS = (str, int, float, bool, type(None), list, dict)
_NO_OBJECTS: tuple[type[Any], ...] = (*_JSON_KINDS, bytes, bytearray, memoryview, datetime, time, Decimal)
_CHANGED_KINDS = (date, datetime, time, timedelta, Decimal, UUID, bytes, bytearray, memoryview)
_CHANGED: tuple[type[Any], ...] = (*_CHANGED_KINDS, Enum)
"""Kinds of values that JSON does not have, and that arrive as text or as a number where their type is not known."""
_NO_FIELDS: dict[str, Any] = {}


def difference(sent: Any, received: Any, *, is_open: bool, place: str = "") -> str | None:
    """Return what a receiver would not get of `sent`, in words, or `None`.

    Args:
        sent: the value that is pushed.
        received: what it is once it was written and read.
        is_open: whether its type allows values of any kind, which may arrive as the kinds that JSON has.
        place: names the value.
    """
    if sent is received or _are_same_scalars(sent, received):
        return None
    for are_such, compare in ((_are_mappings, _of_mappings), (_are_rows, _of_rows), (_are_sets, _of_sets)):
        if are_such(sent, received):
            return compare(sent, received, is_open, place)
    if type(sent) is type(received) and not isinstance(sent, _NO_OBJECTS):
        return _of_objects(sent, received, is_open, place)
    if is_open and isinstance(received, _JSON_KINDS) and not isinstance(sent, _JSON_KINDS):
        return _of_changed(sent, received, place)
    if isinstance(sent, float) and not math.isfinite(sent):
        return f"{_named(place)} is {sent}: NaN and infinity are not numbers in JSON"
    return f"{_named(place)} would arrive as {_shown(received)}, not {_shown(sent)}"


def _of_changed(sent: Any, received: Any, place: str) -> str | None:
    """Compare a value of a kind that JSON does not have with what it has become where its type is not known."""
    if is_secret(type(sent)):
        return f"{_named(place)} is {with_article(type(sent).__qualname__)}, {SECRETS_ADVICE}"
    if isinstance(sent, datetime | time) and isinstance(received, str):
        offset = sent.utcoffset()
        if offset is not None and offset % timedelta(minutes=1):
            return f"{_named(place)} has a time zone {offset} off UTC, and text has no offsets with seconds: use UTC"
    if isinstance(sent, AbstractSet):
        return _of_rows(list(cast("AbstractSet[Any]", sent)), received, is_open=True, place=place)
    if isinstance(sent, _CHANGED):
        return None
    if field_names(sent) is None:
        return f"{_named(place)} would arrive as {_shown(received)}, not {_shown(sent)}"
    fields = msgspec.to_builtins(sent, builtin_types=_CHANGED_KINDS, enc_hook=as_json_value)
    return difference(fields, received, is_open=True, place=type(sent).__qualname__)


def _are_same_scalars(sent: Any, received: Any) -> bool:
    match sent:
        case datetime() if isinstance(received, datetime):
            if (sent.tzinfo is None) != (received.tzinfo is None):
                return False
            # Not ==, which calls two times in a fold unequal.
            return sent - received == timedelta(0)
        case time() if isinstance(received, time):
            return (sent.tzinfo is None, sent.utcoffset(), sent.replace(tzinfo=None)) == (
                received.tzinfo is None,
                received.utcoffset(),
                received.replace(tzinfo=None),
            )
        case Decimal() if isinstance(received, Decimal):
            return sent.as_tuple() == received.as_tuple()
        case str() | int() | float() | Decimal() | bytes() | bytearray() | memoryview() | UUID() | Enum():
            try:
                return bool(sent == received) and not isinstance(received, Mapping | AbstractSet)
            except RecursionError:
                raise
            except Exception:
                return False
        case _:
            return False


def _are_mappings(sent: Any, received: Any) -> bool:
    return isinstance(sent, Mapping) and isinstance(received, Mapping)


def _of_mappings(sent: Mapping[Any, Any], received: Mapping[Any, Any], is_open: bool, place: str) -> str | None:
    if len(sent) != len(received):
        keys = _lost_keys(sent, received)
        return f"{_named(place)} would lose entries: of the keys {keys} not all are told apart, or known to its type"
    for (key, value), (other_key, other) in zip(sent.items(), received.items(), strict=True):
        found = difference(key, other_key, is_open=is_open, place=f"a key of {_named(place)}")
        if found is not None and not (is_open and isinstance(other_key, str) and _is_key(key)):
            return found
        found = difference(value, other, is_open=is_open, place=f"{place}[{key!r}]")
        if found is not None:
            return found
    return None


def _is_key(key: Any) -> bool:
    """Return whether a key is a number, whose text arrives in its place."""
    return isinstance(key, int | float) and math.isfinite(key)


def _lost_keys(sent: Mapping[Any, Any], received: Mapping[Any, Any]) -> str:
    alike: dict[str, list[Any]] = {}
    for key in sent:
        alike.setdefault(str(key), []).append(key)
    doubled = [key for keys in alike.values() if len(keys) > 1 for key in keys]
    lost = doubled or [key for key in sent if key not in received]
    return ", ".join(map(repr, lost[:5]))


def _are_rows(sent: Any, received: Any) -> bool:
    # A tuple of fields is an object if it arrives as one.
    return isinstance(sent, list | tuple) and isinstance(received, list | tuple)


def _of_rows(sent: Sequence[Any], received: Sequence[Any], is_open: bool, place: str) -> str | None:
    if len(sent) != len(received):
        return f"{_named(place)} would arrive with {len(received)} items, not {len(sent)}"
    for index, (item, other) in enumerate(zip(sent, received, strict=True)):
        found = difference(item, other, is_open=is_open, place=f"{place}[{index}]")
        if found is not None:
            return found
    return None


def _are_sets(sent: Any, received: Any) -> bool:
    return isinstance(sent, AbstractSet) and isinstance(received, AbstractSet)


def _of_sets(sent: AbstractSet[Any], received: AbstractSet[Any], is_open: bool, place: str) -> str | None:
    if sent == received:
        return None
    left = list(received)
    for item in sent:
        found = [other for other in left if difference(item, other, is_open=is_open) is None]
        if not found:
            return f"{_named(place)} would arrive without {_shown(item)}"
        left.remove(found[0])
    return f"{_named(place)} would arrive with {_shown(left[0])} as well" if left else None


def _of_objects(sent: Any, received: Any, is_open: bool, place: str) -> str | None:
    names = field_names(sent)
    if names is None:
        try:
            if sent == received:
                return None
        except Exception:  # noqa: S110 - compared by what it holds, then
            pass
        if type(sent).__eq__ is not object.__eq__:
            return f"{_named(place)} would arrive as {_shown(received)}, not {_shown(sent)}"
        names = list(_state(sent))
    ours, others = _state(sent), _state(received)
    owner = type(sent).__qualname__
    for name in names:
        value, other = _get(sent, ours, name), _get(received, others, name)
        found = difference(value, other, is_open=is_open, place=f"{owner}.{name}")
        if found is not None:
            return found
    return None


def field_names(value: Any) -> list[str] | None:
    """Return the names of what an object holds; `None` if it is none of the kinds that have fields."""
    kind = cast("Any", type(value))
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    if hasattr(kind, "__attrs_attrs__"):
        return [field.name for field in kind.__attrs_attrs__]
    if hasattr(kind, "__struct_fields__"):
        return list(kind.__struct_fields__)
    if hasattr(kind, "__pydantic_fields__"):
        return [*kind.__pydantic_fields__, *_state(value)]
    return None


def _state(value: Any) -> dict[str, Any]:
    """Return what an object holds beside its declared fields; of a pydantic model, extra and private values too."""
    if hasattr(cast("Any", type(value)), "__pydantic_fields__"):
        extra = getattr(value, "__pydantic_extra__", None) or _NO_FIELDS
        private = getattr(value, "__pydantic_private__", None) or _NO_FIELDS
        return {**extra, **private}
    slots = [name for each in type(value).__mro__ for name in _slots(each)]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return {**held, **getattr(value, "__dict__", _NO_FIELDS)}


def _slots(kind: type[Any]) -> tuple[str, ...]:
    slots: Any = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


_MISSING = object()


def _get(value: Any, state: Mapping[str, Any], name: str) -> Any:
    return state[name] if name in state else getattr(value, name, _MISSING)


def _named(place: str) -> str:
    return place or "the value"


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = "a value that cannot be shown"
    return f"{type(value).__qualname__} {text if len(text) <= 80 else text[:77] + '...'}"
