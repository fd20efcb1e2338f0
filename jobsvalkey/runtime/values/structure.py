"""Looks at the type of a job's parameters, once: whether its values can arrive as they were pushed."""

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from msgspec import inspect

from jobsvalkey.contract.option_types import with_article
from jobsvalkey.runtime.values import pydantic_models as models
from jobsvalkey.runtime.values.annotations import bare, fields_of, members, name_of_type

_ADVICE = {
    "Counter": "use dict[..., int]",
    "OrderedDict": "use dict, which keeps its order",
    "defaultdict": "use dict",
    "deque": "use list",
    "object": "use Any for values of all kinds",
    "complex": "use a tuple of two floats",
    "range": "use a tuple of two integers",
    **dict.fromkeys(("Path", "PurePath", "PosixPath", "PurePosixPath", "WindowsPath"), "use str"),
}
_OBJECTS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType, inspect.NamedTupleType)
_PLAIN_KEYS = (
    *(inspect.AnyType, inspect.StrType, inspect.IntType, inspect.FloatType, inspect.DecimalType, inspect.UUIDType),
    *(inspect.DateType, inspect.DateTimeType, inspect.TimeType, inspect.TimeDeltaType, inspect.BytesType),
    *(inspect.EnumType, inspect.LiteralType, inspect.CustomType),
)
_BARE: tuple[Any, ...] = (Any, object, list, dict, set, frozenset, tuple)


@dataclass(frozen=True, slots=True)
class Structure:
    """The facts about a type, once its fields have been walked."""

    info: inspect.Type
    is_open: bool
    """Whether somewhere values of any kind are allowed, of which JSON keeps only its own kinds."""
    equality_suffices: bool
    """Whether values that are equal hold the same; otherwise fields may be left out of a comparison."""


def look_at(kind: Any, *, keys_of_all_kinds: bool = False) -> Structure:
    """Walk the fields of a type, and of all types in it.

    Args:
        kind: the type.
        keys_of_all_kinds: whether dictionaries may have keys that are not written as text.

    Raises:
        TypeError: its values cannot be written, or would not come back as they were; the message names the field.
    """
    union = [member for member in members(kind) if member is not type(None)]
    if len(union) > 1:
        raise TypeError(
            f"the whole of the parameters is a union ({name_of_type(bare(kind))}): wrap it in a model, such as a "
            "dataclass with one field of this type"
        )
    info = _info(kind)
    walk = _Walk(keys_of_all_kinds)
    walk.visit(info, f"the type {name_of_type(kind)}")
    return Structure(info, walk.is_open, walk.equality_suffices)


class _Walk:
    def __init__(self, keys_of_all_kinds: bool) -> None:
        self.is_open = False
        self.equality_suffices = True
        self._keys_of_all_kinds = keys_of_all_kinds
        self._seen: set[int] = set()

    def visit(self, info: inspect.Type, place: str) -> None:
        if id(info) in self._seen:
            return
        self._seen.add(id(info))
        match info:
            case inspect.AnyType():
                self.is_open = True
            case inspect.TimeType():
                self.equality_suffices = False  # two times are equal if one has a zone that says no offset
            case inspect.UnionType():
                for member in info.types:
                    self.visit(member, place)
            case inspect.DictType():
                self._visit_keys(info.key_type, place)
                self.visit(info.value_type, place)
            case inspect.CollectionType():
                self.visit(info.item_type, place)
            case inspect.TupleType():
                for item in info.item_types:
                    self.visit(item, place)
            case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType() | inspect.NamedTupleType():
                self._visit_object(info)
            case inspect.CustomType():
                self._visit_custom(info.cls, place)
            case _:
                pass

    def _visit_keys(self, info: inspect.Type, place: str) -> None:
        self.visit(info, place)
        for key in info.types if isinstance(info, inspect.UnionType) else (info,):
            # The values of tuples are hashable, those of our other objects need not be, nor can they be read as keys.
            if isinstance(key, _OBJECTS) and not isinstance(key, inspect.NamedTupleType):
                raise TypeError(
                    f"{place} has a dictionary with keys of type {name_of_type(key.cls)}: use a list of pairs"
                )
            if not isinstance(key, _PLAIN_KEYS) and not self._keys_of_all_kinds:
                raise TypeError(
                    f"{place} has a dictionary whose keys are not text or numbers, and JSON has no others: "
                    "use such keys, or a list of pairs"
                )

    def _visit_object(self, info: Any) -> None:
        kind = getattr(info.cls, "__origin__", info.cls)  # of a generic class with its arguments
        is_attrs = hasattr(kind, "__attrs_attrs__")
        if not _compares_all(kind):
            self.equality_suffices = False
        for field in info.fields:
            place = f"{kind.__qualname__}.{field.name}"
            if is_attrs and field.name.startswith("_"):
                raise TypeError(
                    f"{place} is a private field of an attrs class, which is not written, so that its default would "
                    "arrive: give it a name without an underscore"
                )
            self.visit(field.type, place)

    def _visit_custom(self, kind: Any, place: str) -> None:
        if models.is_model(kind):
            self.equality_suffices = False
            self._visit_model(kind)
        elif models.is_secret(kind):
            raise TypeError(f"{place} is {with_article(name_of_type(kind))}, {models.SECRETS_ADVICE}")
        elif kind is not msgspec.UnsetType:
            advice = next((_ADVICE[each.__name__] for each in kind.__mro__ if each.__name__ in _ADVICE), "")
            if kind.__mro__[-1] is object and advice == _ADVICE["object"] and kind is not object:
                advice = "use a dataclass, an attrs class, a msgspec Struct, a pydantic model, or plain values"
            raise TypeError(
                f"{place} is {with_article(name_of_type(kind))}, which cannot be written and read back: {advice}"
            )

    def _visit_model(self, model: Any) -> None:
        if id(model) in self._seen:
            return
        self._seen.add(id(model))
        models.check_fields(model)
        self.is_open = self.is_open or model.model_config.get("extra") == "allow"
        for field in model.model_fields.values():
            self.is_open = self.is_open or _is_open(field.annotation)
            for inner in models.models_in(field.annotation):
                self._visit_model(inner)


def _is_open(annotation: Any) -> bool:
    for member in members(annotation):
        arguments = getattr(member, "__args__", ())
        if member in _BARE or any(map(_is_open, arguments)):
            return True
    return False


def _compares_all(kind: Any) -> bool:
    """Return whether `==` of two values of this class looks at all of their fields."""
    owner: Any = kind
    if dataclasses.is_dataclass(owner):
        # The method that dataclasses make is compiled from a text; one that is written in the class is in a file.
        code = getattr(kind.__eq__, "__code__", None)
        made = code is not None and code.co_filename == "<string>"
        return made and all(field.compare for field in dataclasses.fields(owner))
    if msgspec.Struct in kind.__mro__:
        return kind.__eq__ is msgspec.Struct.__eq__ and kind.__struct_config__.eq
    return typing.is_typeddict(kind) or getattr(kind, "__eq__", None) is cast("Any", tuple).__eq__


def _info(kind: Any) -> inspect.Type:
    try:
        return inspect.type_info(kind)
    except (TypeError, NameError, AttributeError) as error:
        place = next(_unknown_to_msgspec(kind, set()), f"the type {name_of_type(kind)}")
        raise TypeError(f"{place} cannot be written and read back: {error}") from error


def _unknown_to_msgspec(kind: Any, seen: set[Any]) -> Iterator[str]:
    """Iterate over the fields whose types msgspec refuses, the innermost first."""
    for part in (kind, *cast("tuple[Any, ...]", getattr(bare(kind), "__args__", ()))):
        owner = getattr(bare(part), "__origin__", bare(part))
        if not isinstance(owner, type) or owner in seen:
            continue
        seen.add(owner)
        for name, annotation in fields_of(owner).items():
            try:
                inspect.type_info(annotation)
            except (TypeError, NameError, AttributeError):
                yield from _unknown_to_msgspec(annotation, seen)
                yield f"{owner.__qualname__}.{name}"
