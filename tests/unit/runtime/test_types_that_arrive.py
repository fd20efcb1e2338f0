"""A type whose values cannot arrive is refused when it is registered, by a sentence that names its field."""

import re
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import InitVar, dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import attrs
import msgspec
import pydantic
import pytest

from tests.unit.runtime.arrivals import arrives, refusal_at_push, refusal_at_registration


class Excluded(pydantic.BaseModel):
    note: int = pydantic.Field(1, exclude=True)


class WrittenOtherwise(pydantic.BaseModel):
    note: int = pydantic.Field(1, serialization_alias="NOTE")


class ReadOtherwise(pydantic.BaseModel):
    note: int = pydantic.Field(1, validation_alias="NOTE")


class ReadAnywhereElse(pydantic.BaseModel):
    note: int = pydantic.Field(1, validation_alias=pydantic.AliasChoices("a", pydantic.AliasPath("note", 0)))


class Secret(pydantic.BaseModel):
    note: pydantic.SecretStr


class SecretOrNone(pydantic.BaseModel):
    note: pydantic.SecretBytes | None = None


class Deep(pydantic.BaseModel):
    many: list[dict[str, Secret | None]]


@dataclass
class SecretInADataclass:
    note: pydantic.SecretStr


@dataclass
class ModelInADataclass:
    many: list[Excluded]


@attrs.define
class Private:
    _note: int = 1


@attrs.define
class VeryPrivate:
    __note: int = 1  # pyright: ignore[reportGeneralTypeIssues]


@dataclass
class WithCounter:
    note: Counter[str]


@dataclass
class WithDefaultDict:
    note: defaultdict[str, int]


@dataclass
class WithOrderedDict:
    note: list[OrderedDict[str, int]]


@dataclass
class WithDeque:
    note: deque[int] | None


@dataclass
class WithPath:
    note: Path


class StructWithPath(msgspec.Struct):
    note: dict[str, Path]


class TupleWithPath(NamedTuple):
    note: Path


class DictWithPath(TypedDict):
    note: Path


@dataclass
class WithComplex:
    note: complex


@dataclass
class WithObject:
    note: object


@dataclass
class WithLock:
    note: threading.Thread


@dataclass
class KeysOfTuples:
    note: dict[tuple[int, int], str]


@dataclass
class KeysOfBools:
    note: dict[bool, str]


class Mixed(Enum):
    ONE = 1.5


@dataclass
class WithMixed:
    note: Mixed


@dataclass
class Outer:
    inner: list[WithMixed]


@dataclass
class WithInitVar:
    value: int
    note: InitVar[int] = 0


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        (Excluded, "Excluded.note is excluded"),
        (WrittenOtherwise, "WrittenOtherwise.note is written as 'NOTE'"),
        (ReadOtherwise, "ReadOtherwise.note is written as 'note' and read as 'NOTE'"),
        (ReadAnywhereElse, "ReadAnywhereElse.note is written as 'note'"),
        (Secret, "Secret.note is a SecretStr"),
        (SecretOrNone, "SecretOrNone.note is a SecretBytes"),
        (Deep, "Secret.note is a SecretStr"),
        (SecretInADataclass, "SecretInADataclass.note is a SecretStr"),
        (ModelInADataclass, "Excluded.note is excluded"),
        (list[Secret], "Secret.note is a SecretStr"),
        (Private, "Private._note is a private field"),
        (VeryPrivate, "VeryPrivate._VeryPrivate__note is a private field"),
        (WithCounter, "WithCounter.note is a Counter, .* use dict"),
        (WithDefaultDict, "WithDefaultDict.note is a defaultdict, .* use dict"),
        (WithOrderedDict, "WithOrderedDict.note is an OrderedDict, .* use dict"),
        (WithDeque, "WithDeque.note is a deque, .* use list"),
        (Counter[str], "the type .*Counter.* use dict"),
        (WithPath, "WithPath.note is a Path, .* use str"),
        (StructWithPath, "StructWithPath.note is a Path"),
        (TupleWithPath, "TupleWithPath.note is a Path"),
        (DictWithPath, "DictWithPath.note is a Path"),
        (list[WithPath], "WithPath.note is a Path"),
        (WithComplex, "WithComplex.note is a complex"),
        (WithObject, "WithObject.note is an object, .* use Any"),
        (WithLock, "WithLock.note is a Thread, .* use a dataclass"),
        (KeysOfTuples, "KeysOfTuples.note has a dictionary .* list of pairs"),
        (KeysOfBools, "KeysOfBools.note has a dictionary .* list of pairs"),
        (WithMixed, "WithMixed.note"),
        (Outer, "WithMixed.note"),
        (WithInitVar, "WithInitVar"),
        (int | str, "union .*wrap it in a model"),
        (int | str | None, "union .*wrap it in a model"),
        (Annotated[Colour := Literal["a"] | int, "x"], "union .*wrap it in a model"),
        (Excluded | Secret, "union .*wrap it in a model"),
    ],
)
async def test_a_type_that_cannot_arrive_is_refused_by_name(kind: Any, place: str) -> None:
    found = await refusal_at_registration(kind)
    assert re.search(place, found), found
    value = kind if not isinstance(kind, type) else None
    assert re.search(place, await refusal_at_push(kind, value))


@pytest.mark.parametrize(("kind", "value"), [(int | None, None), (int | None, 1), (None | str, "a")])
async def test_a_value_or_none_is_the_whole_of_a_jobs_parameters(kind: Any, value: Any) -> None:
    assert await arrives(kind, value) == value
