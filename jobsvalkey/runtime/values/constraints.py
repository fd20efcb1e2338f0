"""Constraints that msgspec does not know: `PositiveInt` and other annotations for pydantic, and pydantic's dataclasses.

They are checked once a value has been decoded. A type without any costs nothing.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast, get_args, get_origin

from jobsvalkey.runtime.values.annotations import bare, fields_of, members, metadata
from jobsvalkey.runtime.values.pydantic_models import is_model, is_pydantic_dataclass

Check: TypeAlias = Callable[[Any], object]
"""Raises an error if a value breaks a constraint."""


def constraints_of(annotation: Any) -> Check | None:
    """Return what checks the values of a type beyond what msgspec does; `None` if there is nothing to check."""
    finder = _Finder()
    check = finder.find(annotation)
    return check if finder.has_found else None


class _Finder:
    def __init__(self) -> None:
        self.has_found = False
        """Whether there is anything to check at all: a class that holds itself has a check in any case."""
        self._objects: dict[Any, _ObjectCheck] = {}
        """By class, since a class may hold itself."""

    def find(self, annotation: Any) -> Check | None:
        if any(map(_is_foreign, metadata(annotation))):
            return self._adapt(annotation)
        parts = members(annotation)
        if len(parts) != 1:
            return self._of_union(annotation, parts)
        kind = parts[0]
        origin = get_origin(kind)
        if origin is not None and isinstance(origin, type) and not fields_of(origin):
            return self._of_container(origin, get_args(kind))
        return self._of_object(kind if origin is None else origin)

    def _of_union(self, annotation: Any, parts: tuple[Any, ...]) -> Check | None:
        arguments = get_args(bare(annotation))
        if any(_is_foreign(each) for argument in arguments for each in metadata(argument)):
            return self._adapt(annotation)
        checks = [(part, check) for part in parts if (check := self.find(part)) is not None]
        if not checks:
            return None

        def check_member(value: Any) -> None:
            for part, check in checks:
                if _may_be(value, part):
                    check(value)

        return check_member

    def _of_container(self, origin: Any, arguments: tuple[Any, ...]) -> Check | None:
        checks = [None if argument is Ellipsis else self.find(argument) for argument in arguments]
        if not any(checks):
            return None
        if issubclass(origin, Mapping):

            def check_mapping(value: Mapping[Any, Any]) -> None:
                for key, item in value.items():
                    for check, part in zip(checks, (key, item), strict=False):
                        if check is not None:
                            check(part)

            return check_mapping
        row = origin is tuple and Ellipsis not in arguments

        def check_items(value: Any) -> None:
            for index, item in enumerate(value):
                check = checks[index if row else 0]
                if check is not None:
                    check(item)

        return check_items

    def _of_object(self, kind: Any) -> Check | None:
        if is_model(kind) or not isinstance(kind, type):
            return None  # a model has checked itself
        if kind in self._objects:
            return self._objects[kind].check
        found = self._objects[kind] = _ObjectCheck(kind)
        for name, annotation in fields_of(kind).items():
            check = self.find(annotation)
            if check is not None:
                found.fields[name] = check
        self.has_found = self.has_found or found.is_pydantic
        return found.check if found.fields or found.is_pydantic else None

    def _adapt(self, annotation: Any) -> Check:
        self.has_found = True
        return _adapter(annotation)


class _ObjectCheck:
    """Checks the fields of one class."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.is_pydantic = is_pydantic_dataclass(kind)
        self.fields: dict[str, Check] = {}

    def check(self, value: Any) -> None:
        is_mapping = isinstance(value, Mapping)
        if not is_mapping and not isinstance(value, self.kind):
            return
        for name, check in self.fields.items():
            if is_mapping:
                if name in value:
                    check(cast("Any", value)[name])
            else:
                check(getattr(value, name))
        if self.is_pydantic:
            _revalidate(value)


def _revalidate(value: Any) -> None:
    """Make a pydantic dataclass again from its fields, so that pydantic sees them."""
    kind = cast("Any", type(value))
    arguments: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        info = kind.__pydantic_fields__[field.name]
        held = getattr(value, field.name)
        if type(held).__name__ == "FieldInfo":  # what msgspec takes for the default of a field that is missing
            held = info.get_default(call_default_factory=True)
            object.__setattr__(value, field.name, held)
        if field.init:
            alias = info.validation_alias
            arguments[alias if isinstance(alias, str) else field.name] = held
    kind(**arguments)


def _is_foreign(each: Any) -> bool:
    return type(each).__module__.partition(".")[0] in ("annotated_types", "pydantic")


def _adapter(annotation: Any) -> Check:
    try:
        pydantic: Any = importlib.import_module("pydantic")
    except ImportError:
        return lambda value: None  # constraints for somebody who is not there
    return cast("Check", pydantic.TypeAdapter(annotation).validate_python)


def _may_be(value: Any, kind: Any) -> bool:
    origin = get_origin(kind) or kind
    try:
        return isinstance(value, origin)
    except TypeError:
        return isinstance(value, Mapping)  # a TypedDict
