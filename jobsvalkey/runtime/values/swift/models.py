"""Shapes of pydantic models. What is read of their fields are objects of the fields' types: models may be strict."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from jobsvalkey.runtime.values.swift.shapes import Fields, Row, Shape


class ModelShape(Fields):
    """A model: its fields by their names on the wire, or what it is the root of."""

    def __init__(self, model: Any, *, is_root: bool) -> None:
        super().__init__(model.__qualname__)
        self._model = model
        self._root: Shape | None = None
        self._is_root = is_root

    def add(self, wire_name: str, shape: Shape, *, is_required: bool) -> None:
        """Add a field."""
        self.fields[wire_name] = shape
        if self._is_root:
            self._root = shape
            self.look_like(shape)
        elif is_required:
            self.require(wire_name, shape)

    def write(self, value: Any) -> Any:
        """Write each field."""
        return super().write(value) if self._root is None else self._root.write(value)

    def read(self, value: Any) -> Any:
        """Read a model, and validate it."""
        return self._model.model_validate(super().read(value) if self._root is None else self._root.read(value))


class Typed:
    """A value that msgspec can make: of a field in a model."""

    def __init__(self, shape: Shape, kind: Any) -> None:
        self.forms: frozenset[str] = shape.forms
        self.builtins: frozenset[str] = shape.builtins
        self.is_special: bool = shape.is_special
        self._shape = shape
        self._kind = kind

    def write(self, value: Any) -> Any:
        """Write it as its shape does."""
        return self._shape.write(value)

    def read(self, value: Any) -> Any:
        """Read it as what it is; leave it to the model if it does not fit."""
        read = self._shape.read(value)
        try:
            return msgspec.convert(read, self._kind, str_keys=True)
        except (msgspec.ValidationError, ValueError, TypeError):
            return read


class TypedRow(Row):
    """A list, a set or a tuple of models."""

    def __init__(self, make: Callable[[Any], Any], item: Shape | None, items: Sequence[Shape] = ()) -> None:
        super().__init__(item, items)
        self._make = make

    def read(self, value: Any) -> Any:
        """Read each item."""
        read = super().read(value)
        return self._make(cast("list[Any]", read)) if isinstance(read, list) else read
