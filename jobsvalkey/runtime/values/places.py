"""Finds the part of a value that is to blame for an error, so that the message can name it."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from jobsvalkey.runtime.values.comparison import field_names
from jobsvalkey.runtime.values.pydantic_models import is_model, unwritable_field


def culprit(value: Any, works: Callable[[Any], object]) -> tuple[str, type[Any]]:
    """Return the place and the type of the innermost part of `value` for which `works` raises an error.

    The place is empty if that is the value as a whole.
    """
    place, part = _innermost("", value, works)
    if is_model(type(part)) and (name := unwritable_field(part)) is not None:
        place, part = f"{type(part).__qualname__}.{name}", getattr(part, name)
    return place, cast("type[Any]", type(part))


def non_finite(value: Any) -> str | None:
    """Return the place of a number that is NaN or infinite, if there is one: JSON has no words for them."""
    return next(_non_finite("", value), None)


def _non_finite(place: str, value: Any) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield place or "the value"
    for where, part in _parts(place, value):
        yield from _non_finite(where, part)


def _innermost(place: str, value: Any, works: Callable[[Any], object]) -> tuple[str, Any]:
    for where, part in _parts(place, value):
        try:
            works(part)
        except Exception:
            return _innermost(where, part, works)
    return place, value


def _parts(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    names = field_names(value)
    if names is not None:
        for name in names:
            yield f"{type(value).__qualname__}.{name}", getattr(value, name, None)
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[Any, Any]", value).items():
            yield f"a key of {place or 'the parameters'}", key
            yield f"{place or 'the parameters'}[{key!r}]", item
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(cast("list[Any]", value)):
            yield f"{place or 'the parameters'}[{index}]", item
