"""Annotations, taken apart when `msgspec.inspect` does not show all: metadata, and unions that only pydantic takes."""

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, NewType, Union, cast, get_args, get_origin

_WRAPPERS = (
    typing.ClassVar,
    typing.Final,
    typing.NotRequired,
    typing.Required,
    getattr(typing, "ReadOnly", typing.Final),
)


def bare(annotation: Any) -> Any:
    """Return `annotation` without `Annotated`, `Required` and the like, and with aliases resolved."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = annotation.__origin__
        elif get_origin(annotation) in _WRAPPERS:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def metadata(annotation: Any) -> tuple[Any, ...]:
    """Return what `Annotated` says of a type, through aliases."""
    found: tuple[Any, ...] = ()
    while True:
        if get_origin(annotation) is Annotated:
            found += annotation.__metadata__
            annotation = annotation.__origin__
        elif get_origin(annotation) in _WRAPPERS:
            annotation = get_args(annotation)[0]
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return found


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union; the type itself if it is none."""
    kind = bare(annotation)
    if get_origin(kind) not in (Union, types.UnionType):
        return (kind,)
    return tuple(part for member in get_args(kind) for part in members(member))


def fields_of(kind: Any) -> dict[str, Any]:
    """Return the annotations of the fields of a dataclass, an attrs class, a Struct, a NamedTuple or a TypedDict."""
    owner: Any = kind
    names: Iterator[str] | None = None
    if dataclasses.is_dataclass(kind):
        names = (field.name for field in dataclasses.fields(kind))
    elif hasattr(kind, "__attrs_attrs__"):
        names = (field.name for field in kind.__attrs_attrs__)
    elif hasattr(kind, "__struct_fields__"):
        names = iter(kind.__struct_fields__)
    elif typing.is_typeddict(kind):
        names = iter(kind.__annotations__)
    elif isinstance(kind, type) and tuple in kind.__mro__ and hasattr(kind, "_fields"):
        names = iter(cast("Any", kind)._fields)
    if names is None:
        return {}
    try:
        hints = typing.get_type_hints(owner, include_extras=True)
    except NameError:  # names that only msgspec finds, or nobody does: it says so
        return {}
    return {name: hints[name] for name in names if name in hints}


def name_of_type(kind: Any) -> str:
    """Return how users know a type: `Path`, `list[int]`."""
    return kind.__qualname__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")
