"""The shapes of values: how those of one type are written for Swift, and read from what Swift has written.

What is written has been through `msgspec.to_builtins`: objects are dictionaries or lists of their fields, while dates,
durations, decimals and UUIDs are left as they are. What is read goes to `msgspec.convert`, which makes the objects.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, cast
from uuid import UUID

from jobsvalkey.runtime.values.swift import scalars


class Shape(Protocol):
    """One type, for Swift."""

    @property
    def forms(self) -> frozenset[str]:
        """The kinds of its values in JSON: `number`, `text`, `bool`, `null`, `array` and `object`, or `any`."""
        ...

    @property
    def builtins(self) -> frozenset[str]:
        """The kinds of its values before they are written, in the same words."""
        ...

    is_special: bool
    """Whether Swift writes it otherwise than the plain form does."""

    def write(self, value: Any) -> Any:
        """Return `value` as the encoder takes it."""
        ...

    def read(self, value: Any) -> Any:
        """Return what `msgspec.convert` takes for a value that was decoded from JSON."""
        ...


def form_in_json(value: Any) -> str:
    """Return what a decoded value was in JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case str():
            return "text"
        case list() | tuple() | frozenset():
            return "array"
        case dict():
            return "object"
        case _:
            return "number"


def write_any(value: Any) -> Any:
    """Write a value of which nothing but itself is known."""
    match value:
        case datetime():
            return scalars.write_date(value)
        case timedelta():
            return scalars.write_duration(value)
        case Decimal():
            return scalars.write_decimal(value)
        case UUID():
            return str(value).upper()
        case dict():
            items = cast("dict[Any, Any]", value)
            if all(_is_name(key) for key in items):
                return {str(key): write_any(item) for key, item in items.items()}
            return [write_any(part) for pair in items.items() for part in pair]
        case list() | tuple() | frozenset():
            return [write_any(item) for item in cast("Sequence[Any]", value)]
        case _:
            return value


def _is_name(key: Any) -> bool:
    return isinstance(key, str | int) and not isinstance(key, bool)


def read_any(value: Any) -> Any:
    """Read a value of which nothing but itself is known."""
    match value:
        case dict():
            return {key: read_any(item) for key, item in cast("dict[str, Any]", value).items()}
        case list():
            return [read_any(item) for item in cast("list[Any]", value)]
        case _:
            return scalars.read_plain(value)


class Leaf:
    """A value without parts."""

    def __init__(
        self,
        form: str,
        write: Callable[[Any], Any] = write_any,
        read: Callable[[Any], Any] = read_any,
        *,
        is_special: bool = False,
    ) -> None:
        self.forms: frozenset[str] = frozenset((form,))
        self.builtins: frozenset[str] = self.forms
        self.is_special = is_special
        self._write = write
        self._read = read

    def write(self, value: Any) -> Any:
        """Write it, by what it is."""
        return self._write(value)

    def read(self, value: Any) -> Any:
        """Read it."""
        return self._read(value)


class Row:
    """A list, a set or a tuple."""

    def __init__(self, item: Shape | None, items: Sequence[Shape] = ()) -> None:
        self.forms: frozenset[str] = frozenset(("array",))
        self.builtins: frozenset[str] = self.forms
        self.is_special = False
        self.items: list[Shape] = list(items)
        self._item = item

    def write(self, value: Any) -> Any:
        """Write each item."""
        return self._each(value, "write")

    def read(self, value: Any) -> Any:
        """Read each item."""
        return self._each(value, "read")

    def _each(self, value: Any, verb: str) -> Any:
        if not isinstance(value, list | tuple | frozenset):
            return write_any(value) if verb == "write" else read_any(value)
        values = list(cast("Sequence[Any]", value))
        shapes = self.items if self._item is None else [self._item] * len(values)
        done = [getattr(shape, verb)(item) for shape, item in zip(shapes, values, strict=False)]
        return done + values[len(done) :]


class Table:
    """A dictionary whose keys are text or whole numbers: an object."""

    def __init__(self, value: Shape) -> None:
        self.forms: frozenset[str] = frozenset(("object",))
        self.builtins: frozenset[str] = self.forms
        self.is_special = False
        self._value = value

    def write(self, value: Any) -> Any:
        """Write each value."""
        if not isinstance(value, dict):
            return write_any(value)
        items = cast("dict[Any, Any]", value)
        written = {str(key): self._value.write(item) for key, item in items.items()}
        if len(written) < len(items):
            raise ValueError(f"of the keys {', '.join(map(repr, items))} some are written alike")
        return written

    def read(self, value: Any) -> Any:
        """Read each value; from a list of pairs, too, as Swift writes where it does not know its keys to be text."""
        if isinstance(value, list):
            value = _paired(cast("list[Any]", value))
        if not isinstance(value, dict):
            return value
        return {key: self._value.read(item) for key, item in cast("dict[Any, Any]", value).items()}


class PairList:
    """A dictionary with other keys: a list of keys and values in turn."""

    def __init__(self, key: Shape, value: Shape) -> None:
        self.forms: frozenset[str] = frozenset(("array",))
        self.builtins: frozenset[str] = frozenset(("object",))
        self.is_special = True
        self._key = key
        self._value = value

    def write(self, value: Any) -> Any:
        """Write keys and values in turn."""
        if not isinstance(value, dict):
            return write_any(value)
        items = cast("dict[Any, Any]", value).items()
        return [part for key, item in items for part in (self._key.write(key), self._value.write(item))]

    def read(self, value: Any) -> Any:
        """Read keys and values in turn, or an object, as the plain form has it."""
        if isinstance(value, list):
            value = _paired(cast("list[Any]", value))
        if not isinstance(value, dict):
            return value
        items = cast("dict[Any, Any]", value).items()
        return {_hashable(self._key.read(key)): self._value.read(item) for key, item in items}


def _paired(values: list[Any]) -> dict[Any, Any]:
    if len(values) % 2:
        raise ValueError(f"a dictionary is written as keys and values in turn, not as {len(values)} values")
    return dict(zip(map(_hashable, values[::2]), values[1::2], strict=True))


def _hashable(key: Any) -> Any:
    return tuple(map(_hashable, cast("list[Any]", key))) if isinstance(key, list) else key


class Fields:
    """An object with fields."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.forms: frozenset[str] = frozenset(("object",))
        self.builtins: frozenset[str] = self.forms
        self.is_special = False
        self.fields: dict[str, Shape] = {}
        """By their names on the wire; filled in later, since a type may hold itself."""
        self.required: frozenset[str] = frozenset()
        self.nullable: frozenset[str] = frozenset()
        """Fields that have to be there and may be `None`: Swift leaves them out then."""
        self.tags: dict[str, Any] = {}
        """Fields that always have one value, by which members of a union are told apart."""

    def look_like(self, shape: Shape) -> None:
        """Take the forms of another shape, the only one that this consists of."""
        self.forms, self.builtins = shape.forms, shape.builtins

    def require(self, wire_name: str, shape: Shape) -> None:
        """Note that a field has to be there."""
        self.required |= {wire_name}
        if "null" in shape.forms:
            self.nullable |= {wire_name}

    def write(self, value: Any) -> Any:
        """Write each field."""
        if not isinstance(value, dict):
            return write_any(value)
        items = cast("dict[str, Any]", value).items()
        return {key: self.fields[key].write(item) if key in self.fields else write_any(item) for key, item in items}

    def read(self, value: Any) -> Any:
        """Read each field."""
        if not isinstance(value, dict):
            return value
        items = cast("dict[str, Any]", value)
        done = {
            key: self.fields[key].read(item) if key in self.fields else read_any(item) for key, item in items.items()
        }
        return {**dict.fromkeys(self.nullable - items.keys()), **done}

    def fits(self, value: Mapping[str, Any]) -> bool:
        """Return whether an object may be one of these."""
        if any(value.get(key) not in allowed for key, allowed in self.tags.items()):
            return False
        return self.required - self.nullable <= value.keys()


class Either:
    """A union."""

    def __init__(self, members: Sequence[Shape], place: str) -> None:
        self.members = members
        self.forms: frozenset[str] = frozenset[str]().union(*(member.forms for member in members))
        self.builtins: frozenset[str] = frozenset[str]().union(*(member.builtins for member in members))
        self.is_special: bool = any(member.is_special for member in members)
        for index, member in enumerate(members):
            others = frozenset[str]().union(*(other.forms for other in (*members[:index], *members[index + 1 :])))
            if member.is_special and (member.forms & others or "any" in others):
                form = ", ".join(sorted(member.forms))
                raise TypeError(
                    f"{place} is a union of which Swift writes two members alike, as {form}: "
                    "use a dataclass with a field for each"
                )

    def write(self, value: Any) -> Any:
        """Write it as the member that it is."""
        form = _form_when_written(value)
        return _member([member for member in self.members if form in member.builtins], value).write(value)

    def read(self, value: Any) -> Any:
        """Read it as the member whose form in JSON it has."""
        form = form_in_json(value)
        return _member([member for member in self.members if form in member.forms], value).read(value)


def _member(candidates: Sequence[Shape], value: Any) -> Shape:
    """Return the one that `value` is for: of objects the one that knows most of its fields."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        objects = [each for each in candidates if isinstance(each, Fields) and each.fits(fields)]
        if objects:
            return min(objects, key=lambda each: len(fields.keys() - each.fields.keys()))
    return candidates[0] if candidates else ANYTHING


def _form_when_written(value: Any) -> str:
    match value:
        case datetime() | Decimal():
            return "number"
        case timedelta():
            return "array"
        case UUID():
            return "text"
        case _:
            return form_in_json(value)


ANYTHING = Leaf("any")
"""A value of any type: written by what it is, and read as JSON."""
DATE = Leaf("number", read=scalars.read_date, is_special=True)
DURATION = Leaf("array", read=scalars.read_duration, is_special=True)
DECIMAL = Leaf("number", read=scalars.read_decimal, is_special=True)
