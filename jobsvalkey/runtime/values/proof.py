"""Tells of which types every value arrives that is of its type, so that pushes in bulk need not read each again."""

import dataclasses
from typing import Any

from msgspec import inspect

_SCALARS = (inspect.BoolType, inspect.NoneType, inspect.UUIDType, inspect.EnumType)
_WITHOUT_LIMITS = (inspect.IntType(), inspect.FloatType(), inspect.StrType(), inspect.BytesType())


def always_arrives(info: inspect.Type) -> bool:
    """Return whether a class has fields of text, numbers and the like alone, and lists and dictionaries of those.

    A date may have an offset with seconds, an object may be of a subclass, a constraint may be broken: whatever holds
    one of these is read again each time.
    """
    if not isinstance(info, inspect.DataclassType | inspect.StructType):
        return False
    kind: Any = info.cls
    if not isinstance(kind, type) or hasattr(kind, "__post_init__") or hasattr(kind, "__attrs_attrs__"):
        return False
    if dataclasses.is_dataclass(kind) and not all(field.init for field in dataclasses.fields(kind)):
        return False
    return all(_is_simple(field.type) for field in info.fields)


def _is_simple(info: inspect.Type) -> bool:
    match info:
        case inspect.UnionType():
            return all(map(_is_simple, info.types))
        case inspect.ListType() | inspect.SetType() | inspect.FrozenSetType():
            return _has_no_limits(info) and _is_scalar(info.item_type)
        case inspect.DictType():
            return _has_no_limits(info) and info.key_type == inspect.StrType() and _is_scalar(info.value_type)
        case _:
            return _is_scalar(info)


def _is_scalar(info: inspect.Type) -> bool:
    return isinstance(info, _SCALARS) or info in _WITHOUT_LIMITS


def _has_no_limits(info: Any) -> bool:
    return info.min_length is None and info.max_length is None
