"""Each way to hold a value of a type: the type, the value, and the JSON that Swift would have written."""

from collections.abc import Callable
from dataclasses import make_dataclass
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic

DAY = UUID("0191B2C3-D4E5-7F60-8A9B-0C1D2E3F4A5B")

Holder = Callable[[Any, Any, str], tuple[Any, Any, str]]


def as_it_is(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    return kind, value, text


def in_a_list(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    return list[kind], [value, value], f"[{text},{text}]"


def in_a_tuple(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    return tuple[int, kind], (1, value), f"[1,{text}]"


def in_a_dictionary(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    return dict[str, list[kind]], {"a": [value]}, f'{{"a":[{text}]}}'


def in_pairs(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    return dict[UUID, kind], {DAY: value}, f'["{str(DAY).upper()}",{text}]'


def in_an_optional(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    return list[kind | None], [None, value], f"[null,{text}]"


def in_a_dataclass(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    made = make_dataclass("Holds", [("at", list[kind]), ("maybe", kind | None)])
    return made, made([value], value), f'{{"at":[{text}],"maybe":{text}}}'


def in_an_attrs_class(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    made: Any = attrs.make_class("Holds", {"at": attrs.field(type=dict[str, kind])})
    return made, made({"a": value}), f'{{"at":{{"a":{text}}}}}'


def in_a_struct(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    made: Any = msgspec.defstruct("Holds", [("at_all", kind)], rename="camel")
    return made, made(value), f'{{"atAll":{text}}}'


def in_a_tagged_union(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    cat: Any = msgspec.defstruct("Cat", [("at", float)], tag=True)
    dog: Any = msgspec.defstruct("Dog", [("at", kind)], tag=True)
    return list[cat | dog], [dog(value), cat(1.5)], f'[{{"type":"Dog","at":{text}}},{{"type":"Cat","at":1.5}}]'


def in_a_typed_dict(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    functional: Any = TypedDict
    return functional("Holds", {"at": kind}), {"at": value}, f'{{"at":{text}}}'


def in_a_named_tuple(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    made: Any = NamedTuple("Holds", [("at", kind), ("number", int)])
    return made, made(value, 1), f"[{text},1]"


def in_a_model(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    fields: dict[str, Any] = {"at": (kind, ...), "maybe": (kind | None, ...)}
    made: Any = pydantic.create_model("Holds", **fields)
    return made, made(at=value, maybe=value), f'{{"at":{text},"maybe":{text}}}'


def in_a_strict_model(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    strict = pydantic.ConfigDict(strict=True, frozen=True)
    fields: dict[str, Any] = {"at": (list[kind], pydantic.Field(alias="AT"))}
    made: Any = pydantic.create_model("Holds", __config__=strict, **fields)
    return made, made(AT=[value]), f'{{"AT":[{text}]}}'


def in_models_in_models(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    inner, one, inner_text = in_a_model(kind, value, text)
    fields: dict[str, Any] = {"many": (dict[str, list[inner]], ...), "one": (inner | None, ...)}
    made: Any = pydantic.create_model("Outer", **fields)
    return made, made(many={"a": [one]}, one=one), f'{{"many":{{"a":[{inner_text}]}},"one":{inner_text}}}'


def in_a_model_in_a_dataclass(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    inner, one, inner_text = in_a_model(kind, value, text)
    made = make_dataclass("Outer", [("at", list[inner])])
    return made, made([one]), f'{{"at":[{inner_text}]}}'


def in_a_root_model(kind: Any, value: Any, text: str) -> tuple[Any, Any, str]:
    made: Any = pydantic.RootModel[list[kind]]
    return made, made([value]), f"[{text}]"


HOLDERS: list[Holder] = [
    *(as_it_is, in_a_list, in_a_tuple, in_a_dictionary, in_pairs, in_an_optional, in_a_dataclass, in_an_attrs_class),
    *(in_a_struct, in_a_tagged_union, in_a_typed_dict, in_a_named_tuple, in_a_model, in_a_strict_model),
    *(in_models_in_models, in_a_model_in_a_dataclass, in_a_root_model),
]
