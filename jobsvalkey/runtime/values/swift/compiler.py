"""Makes shapes of types: of those that msgspec knows by its own look at them, of pydantic models by their fields."""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec
from msgspec import inspect

from jobsvalkey.contract.option_types import with_article
from jobsvalkey.runtime.values import pydantic_models as models
from jobsvalkey.runtime.values.annotations import bare, members, name_of_type
from jobsvalkey.runtime.values.swift.models import ModelShape, Typed, TypedRow
from jobsvalkey.runtime.values.swift.shapes import (
    ANYTHING,
    DATE,
    DECIMAL,
    DURATION,
    Either,
    Fields,
    Leaf,
    PairList,
    Row,
    Shape,
    Table,
)

_NUMBER, _TEXT, _BOOL, _NULL = Leaf("number"), Leaf("text"), Leaf("bool"), Leaf("null")


class Compiler:
    """Makes shapes. One for each type, since types may hold themselves."""

    def __init__(self) -> None:
        self._made: dict[int, Shape] = {}
        """By the identity of what they were made of, which `_kept` keeps."""
        self._kept: list[Any] = []

    def shape(self, info: inspect.Type, place: str) -> Shape:
        """Return the shape of a type.

        Raises:
            TypeError: Swift's form of it cannot be told from another one; the message names the place.
        """
        match info:
            case inspect.AnyType() | inspect.RawType():
                return ANYTHING
            case inspect.DateTimeType():
                return DATE
            case inspect.TimeDeltaType():
                return DURATION
            case inspect.DecimalType():
                return DECIMAL
            case inspect.IntType() | inspect.FloatType():
                return _NUMBER
            case inspect.BoolType():
                return _BOOL
            case inspect.NoneType():
                return _NULL
            case inspect.LiteralType() | inspect.EnumType():
                values = info.values if isinstance(info, inspect.LiteralType) else [each.value for each in info.cls]
                numbers = all(isinstance(value, int) for value in values)
                return _NUMBER if numbers else _TEXT if all(isinstance(value, str) for value in values) else ANYTHING
            case inspect.UnionType():
                return Either([self.shape(member, place) for member in info.types], place)
            case inspect.DictType():
                value = self.shape(info.value_type, place)
                return Table(value) if is_name(info.key_type) else PairList(self.shape(info.key_type, place), value)
            case inspect.TupleType():
                return Row(None, [self.shape(item, place) for item in info.item_types])
            case inspect.CollectionType():
                return Row(self.shape(info.item_type, place))
            case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType() | inspect.NamedTupleType():
                return self._fields(info)
            case inspect.CustomType():
                return self.model(info.cls) if models.is_model(info.cls) else ANYTHING
            case _:
                return _TEXT

    def _fields(self, info: Any) -> Shape:
        if id(info) in self._made:
            return self._made[id(info)]
        self._kept.append(info)
        name = name_of_type(info.cls)
        if isinstance(info, inspect.NamedTupleType) or getattr(info, "array_like", False):
            row = self._made[id(info)] = Row(None)
            if getattr(info, "tag", None) is not None:
                row.items.append(ANYTHING)
            row.items += [self.shape(field.type, f"{name}.{field.name}") for field in info.fields]
            return row
        made = self._made[id(info)] = Fields(name)
        if getattr(info, "tag_field", None) is not None:
            made.tags[info.tag_field] = (info.tag,)
        for field in info.fields:
            shape = made.fields[field.encode_name] = self.shape(field.type, f"{name}.{field.name}")
            if field.required:
                made.require(field.encode_name, shape)
        return made

    def model(self, model: Any) -> Shape:
        """Return the shape of a pydantic model.

        Raises:
            TypeError: a function of its own decides what is written of a field.
        """
        if id(model) in self._made:
            return self._made[id(model)]
        name = model.__qualname__
        own = next((field for field in model.model_fields if models.has_own_serializer(model, field)), None)
        if own is not None or model.__pydantic_decorators__.model_serializers:
            raise TypeError(
                f"{name}.{own or '...'} has a serializer of its own, which hides what is written: take it away, "
                "or use values='plain'"
            )
        is_root = bool(getattr(model, "__pydantic_root_model__", False))
        made = self._made[id(model)] = ModelShape(model, is_root=is_root)
        for each, field in model.model_fields.items():
            wire = models.wire_name(each, field)
            shape = self.annotated(field.annotation, f"{name}.{each}")
            made.add(wire, shape, is_required=field.is_required())
            literal = bare(field.annotation)
            if models.is_literal(literal):
                made.tags[wire] = get_args(literal)
        return made

    def annotated(self, annotation: Any, place: str) -> Shape:
        """Return the shape of a field of a pydantic model, which makes objects when it reads."""
        parts = members(annotation)
        if len(parts) != 1:
            return Either([self.annotated(part, place) for part in parts], place)
        kind = parts[0]
        if models.is_model(kind):
            return self.model(kind)
        if not any(True for _ in models.models_in(kind)):
            return self._typed(kind, place)
        origin, arguments = get_origin(kind), get_args(kind)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            value = self.annotated(arguments[1], place)
            key = inspect.type_info(arguments[0])
            return Table(value) if is_name(key) else PairList(self._typed(arguments[0], place), value)
        if origin is tuple and Ellipsis not in arguments:
            return TypedRow(tuple, None, [self.annotated(part, place) for part in arguments])
        if isinstance(origin, type):
            concrete = origin if origin in (list, set, frozenset, tuple) else list
            return TypedRow(concrete, self.annotated(arguments[0], place))
        raise _hidden(place, kind)

    def _typed(self, kind: Any, place: str) -> Shape:
        try:
            info = inspect.type_info(kind)
        except TypeError as error:
            raise _hidden(place, kind) from error
        if isinstance(info, inspect.CustomType):
            module = getattr(info.cls, "__module__", "").partition(".")[0]
            if module not in ("pathlib", "pydantic", "pydantic_core", "ipaddress", "re", "pydantic_extra_types"):
                raise _hidden(place, kind)
            return _TEXT
        return Typed(self.shape(info, place), kind)


def _hidden(place: str, kind: Any) -> TypeError:
    return TypeError(
        f"{place} is {with_article(name_of_type(kind))}, of which values='swift' cannot see the parts: "
        "use a model, a dataclass, or values='plain'"
    )


def is_name(key: inspect.Type) -> bool:
    """Return whether keys of this type are the names of an object in Swift: text and whole numbers."""
    if isinstance(key, inspect.UnionType):
        return all(map(is_name, key.types))
    return isinstance(key, inspect.AnyType | inspect.StrType | inspect.IntType | inspect.EnumType | inspect.LiteralType)


def compile_shape(kind: Any) -> Shape:
    """Return the shape of a type.

    Raises:
        TypeError: its values cannot be told apart in Swift's form, or it hides its fields.
    """
    return Compiler().shape(msgspec.inspect.type_info(kind), f"the type {name_of_type(kind)}")
