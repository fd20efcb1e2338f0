"""Checks that options have the types that they are declared with; the error says what to write.

Without this, Python would take `timeout=5` and fail later, with an error about something else.
"""

import functools
import types
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Any, ClassVar, Literal, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

_NAMES: Mapping[Any, str] = {
    timedelta: "a timedelta, such as timedelta(seconds=5)",
    datetime: "a datetime with a time zone, such as datetime(2026, 1, 1, tzinfo=UTC)",
    tzinfo: "a time zone, such as ZoneInfo('Europe/Berlin')",
    int: "a whole number",
    float: "a number",
    str: "text",
    bytes: "bytes",
    bool: "True or False",
    UUID: "a UUID",
    type(None): "None",
}


def check_types(options: Any) -> None:
    """Check each field of an object of options against the type that its class declares.

    Raises:
        TypeError: a value is of another type.
        ValueError: a value is not one of those that are listed for it.
    """
    for name, expected in _declared(cast("type[Any]", type(options))):
        check_type(name, getattr(options, name), expected)


def check_option(name: str, value: Any, annotation: Any) -> None:
    """Check one value against an annotation; see `check_types`."""
    check_type(name, value, _expected(annotation))


@dataclass(frozen=True, slots=True)
class Expected:
    """The types that an option may have."""

    kinds: tuple[type[Any], ...]
    literals: tuple[Any, ...] = ()
    is_anything: bool = False


def check_type(name: str, value: Any, expected: Expected) -> None:
    """Check one value; see `check_types`."""
    if expected.is_anything:
        return
    # A bool is an int for Python, and never what is meant by a number.
    if isinstance(value, expected.kinds) and (not isinstance(value, bool) or bool in expected.kinds):
        return
    if expected.literals:
        if any(value is each or (type(value) is type(each) and value == each) for each in expected.literals):
            return
        listed = " or ".join([*map(_quoted, expected.literals), *_named(expected.kinds)])
        error = ValueError if isinstance(value, type(expected.literals[0])) else TypeError
        raise error(f"{name} is {listed}, not {value!r}")
    listed = " or ".join(_named(expected.kinds))
    found = f"the class {value.__qualname__}" if isinstance(value, type) else repr(value)
    raise TypeError(f"{name} is {listed}, not {found}")


def _quoted(literal: Any) -> str:
    return f'"{literal}"' if isinstance(literal, str) else repr(literal)


def _named(kinds: Collection[type[Any]]) -> list[str]:
    ordered = sorted(kinds, key=lambda kind: kind is type(None))
    return [
        _NAMES.get(kind) or with_article(kind.__qualname__) for kind in ordered if kind is not int or float not in kinds
    ]


def with_article(name: str) -> str:
    """Return the name of a type with its article: a Path, an Enum."""
    return f"{'an' if name[:1] in 'AEIOaeio' else 'a'} {name}"  # a UUID, a UserDict, a URL


@functools.cache
def _declared(kind: type[Any]) -> tuple[tuple[str, Expected], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (name, expected)
        for name, annotation in hints.items()
        if get_origin(annotation) is not ClassVar and annotation is not ClassVar
        if not (expected := _expected(annotation)).is_anything
    )


def _expected(annotation: Any) -> Expected:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _expected(get_args(annotation)[0])
    if origin is Literal:
        return Expected((), get_args(annotation))
    if origin in (Union, types.UnionType):
        parts = [_expected(part) for part in get_args(annotation)]
        kinds = tuple(kind for part in parts for kind in part.kinds)
        literals = tuple(literal for part in parts for literal in part.literals)
        return Expected(kinds, literals, any(part.is_anything for part in parts))
    if annotation is None:
        annotation = type(None)
    kind = annotation if origin is None else origin
    # A protocol is known by what it can do, which its owner checks.
    if not isinstance(kind, type) or kind is object or getattr(kind, "_is_protocol", False):
        return Expected((), is_anything=True)
    return Expected((int, float) if kind is float else (kind,))
