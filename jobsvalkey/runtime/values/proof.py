"""Tells by the types of its fields that a value arrives as it is, so that it need not be read again."""

import dataclasses
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, cast

from msgspec import inspect

_SCALARS: Mapping[type[inspect.Type], type[Any]] = {
    inspect.BoolType: bool,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.StrType: str,
    inspect.BytesType: bytes,
}
_WITHOUT_LIMITS = (inspect.IntType(), inspect.FloatType(), inspect.StrType(), inspect.BytesType(), inspect.BoolType())


class Proof:
    """The facts about the values of one class whose fields are text, numbers and the like alone.

    Once one such value has arrived, all do whose fields have the same types. NaN alone is told apart by its value.
    """

    __slots__ = ("_allowed", "_fields_of", "_kind", "_seen", "may_hold_nan")

    def __init__(self, kind: type[Any], allowed: Mapping[str, frozenset[type[Any]]]) -> None:
        names = list(allowed)
        self._kind = kind
        self._fields_of = attrgetter(*names, names[-1])  # of a single name it would return no tuple
        self._allowed = (*allowed.values(), allowed[names[-1]])
        self._seen: set[tuple[type[Any], ...]] = set()
        self.may_hold_nan: bool = any(float in each for each in allowed.values())

    def holds(self, value: Any) -> bool:
        """Return whether a value with fields of the same types has arrived."""
        try:
            return type(value) is self._kind and (*map(type, self._fields_of(value)),) in self._seen
        except AttributeError:  # of a field that was deleted
            return False

    def learn(self, value: Any) -> None:
        """Take in that `value` has arrived."""
        if type(value) is self._kind:
            types = (*map(type, self._fields_of(value)),)
            if all(kind in allowed for kind, allowed in zip(types, self._allowed, strict=True)):
                self._seen.add(types)


def proof_of(info: inspect.Type) -> Proof | None:
    """Return a proof for a class; `None` if the types of its fields prove nothing.

    A date may have an offset with seconds, an object may be of a subclass, a constraint may be broken: whatever holds
    one of these, or a list or a dictionary, is read again each time.
    """
    if not isinstance(info, inspect.DataclassType | inspect.StructType):
        return None
    kind: Any = info.cls
    if not isinstance(kind, type) or hasattr(kind, "__post_init__") or hasattr(kind, "__attrs_attrs__"):
        return None
    if dataclasses.is_dataclass(kind) and not all(field.init for field in dataclasses.fields(kind)):
        return None
    allowed: dict[str, frozenset[type[Any]]] = {}
    for field in info.fields:
        types = _types(field.type)
        if types is None or {int, float} <= types:
            return None
        allowed[field.name] = types
    return Proof(cast("type[Any]", kind), allowed) if allowed else None


def _types(info: inspect.Type) -> frozenset[type[Any]] | None:
    """Return the types of the values of a field, of which nothing but their type matters."""
    match info:
        case inspect.UnionType():
            members = [_types(member) for member in info.types]
            known = [member for member in members if member is not None]
            return frozenset[type[Any]]().union(*known) if len(known) == len(members) else None
        case inspect.EnumType():
            return frozenset((info.cls,))
        case inspect.NoneType():
            return frozenset((type(None),))
        case _:
            return frozenset((_SCALARS[type(info)],)) if info in _WITHOUT_LIMITS else None
