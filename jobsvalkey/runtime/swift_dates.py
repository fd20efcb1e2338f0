"""Dates inside parameters as Swift's `JSONEncoder` writes them by default: seconds since 2001-01-01T00:00:00Z.

`msgspec` writes dates as RFC 3339 and offers no other way, so values take a detour over plain Python objects: where
a type says `datetime`, a number is a date. Not for pydantic models, which hide their fields' types from `msgspec`.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
from msgspec import inspect

REFERENCE_DATE = datetime(2001, 1, 1, tzinfo=UTC)


def encode_swift(parameters: Any) -> bytes:
    """`parameters` as JSON."""
    return msgspec.json.encode(_write(msgspec.to_builtins(parameters, builtin_types=(datetime,), str_keys=True)))


def swift_decoder(parameters: type[Any]) -> Callable[[Any], Any]:
    """What turns decoded JSON into `parameters`.

    Raises:
        TypeError: the type is, or holds, one whose fields cannot be seen, such as a pydantic model.
    """
    info = inspect.type_info(parameters)

    def decode(value: Any) -> Any:
        return msgspec.convert(_read(value, info), parameters)

    if isinstance(info, inspect.CustomType):
        raise TypeError(f"dates='swift' cannot see the fields of {parameters.__qualname__}")
    return decode


def _write(value: Any) -> Any:
    match value:
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"a naive datetime ({value})")
            return (value - REFERENCE_DATE).total_seconds()
        case dict():
            return {key: _write(item) for key, item in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [_write(item) for item in cast("Sequence[Any]", value)]
        case _:
            return value


def _read(value: Any, info: inspect.Type) -> Any:
    """`value` with a `datetime` in place of each number where the type `info` has a date."""
    match info:
        case inspect.DateTimeType() if isinstance(value, int | float):
            return REFERENCE_DATE + timedelta(seconds=value)
        case inspect.UnionType():
            return _read(value, _member(value, info))
        case inspect.DictType() if isinstance(value, dict):
            items = cast("dict[str, Any]", value)
            return {key: _read(item, info.value_type) for key, item in items.items()}
        case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType() | inspect.NamedTupleType():
            return _read_fields(value, info.fields)
        case inspect.TupleType() if isinstance(value, list):
            return _read_row(cast("list[Any]", value), info.item_types)
        case inspect.CollectionType() if isinstance(value, list):
            return [_read(item, info.item_type) for item in cast("list[Any]", value)]
        case _:
            return value


def _read_fields(value: Any, fields: Sequence[inspect.Field]) -> Any:
    if isinstance(value, dict):
        kinds = {field.encode_name: field.type for field in fields}
        items = cast("dict[str, Any]", value)
        return {key: _read(item, kinds[key]) if key in kinds else item for key, item in items.items()}
    if isinstance(value, list):
        return _read_row(cast("list[Any]", value), [field.type for field in fields])
    return value


def _read_row(values: list[Any], kinds: Sequence[inspect.Type]) -> list[Any]:
    return [_read(item, kind) for item, kind in zip(values, kinds, strict=False)] + values[len(kinds) :]


def _member(value: Any, union: inspect.UnionType) -> inspect.Type:
    """The member of a union that `value` is for, as `msgspec` would choose it."""
    wanted: type[inspect.Type] | tuple[type[inspect.Type], ...]
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        for kind in union.types:
            if isinstance(kind, inspect.StructType) and kind.tag_field and fields.get(kind.tag_field) == kind.tag:
                return kind
        wanted = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType, inspect.DictType)
    elif isinstance(value, list):
        wanted = (inspect.CollectionType, inspect.TupleType)
    elif any(isinstance(kind, inspect.IntType | inspect.FloatType) for kind in union.types):
        return inspect.AnyType()
    else:
        wanted = inspect.DateTimeType
    return next((kind for kind in union.types if isinstance(kind, wanted)), inspect.AnyType())
