"""The form of one type's values: writes them, reads them, and refuses what would not arrive as it is."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from jobsvalkey.runtime.values.comparison import difference
from jobsvalkey.runtime.values.constraints import constraints_of
from jobsvalkey.runtime.values.places import culprit, non_finite
from jobsvalkey.runtime.values.plain import plain_reader, write_plain
from jobsvalkey.runtime.values.proof import always_arrives
from jobsvalkey.runtime.values.structure import Structure, look_at
from jobsvalkey.runtime.values.swift import SwiftCodec

Values: TypeAlias = Literal["plain", "swift"]
"""How values are written: as `msgspec` does, with dates as RFC 3339 text; or as Swift's `JSONEncoder` does."""


def check_values(values: Values) -> Values:
    """Return `values` if it names a form.

    Raises:
        ValueError: it does not.
    """
    if values not in get_args(Values):
        raise ValueError(f'values is "plain" or "swift", not {values!r}')
    return values


def make_form(kind: Any, values: Values) -> "Form":
    """Return how values of a type are written and read.

    Raises:
        TypeError: they cannot be, or would not arrive as they are; the message names the field.
    """
    structure = look_at(kind, keys_of_all_kinds=values == "swift")
    if values == "plain" or kind is msgspec.Raw:  # which is JSON already
        return Form(structure, write_plain, plain_reader(kind), constraints_of(kind))
    codec = SwiftCodec(kind)
    return Form(structure, codec.write, codec.read, constraints_of(kind))


class Form:
    """How the values of one type are written and read."""

    __slots__ = ("_equality_suffices", "_is_open", "_is_raw", "_proven", "_read", "_write", "check")

    def __init__(
        self,
        structure: Structure,
        write: Callable[[Any], bytes],
        read: Callable[[Any], Any],
        check: Callable[[Any], object] | None,
    ) -> None:
        self._write = write
        self._read = read
        self.check = check
        """Raises an error where a value that was read breaks a constraint; `None` where there is none to check."""
        self._is_open = structure.is_open
        self._equality_suffices = structure.equality_suffices
        is_proven = structure.equality_suffices and check is None and always_arrives(structure.info)
        self._proven: Any = getattr(structure.info, "cls", None) if is_proven else None
        self._is_raw = isinstance(structure.info, msgspec.inspect.RawType)

    def write(self, value: Any, *, in_bulk: bool = False) -> bytes:
        """Return a value as JSON.

        It is read again, so that what cannot arrive is refused here, and not by every worker. In bulk that is left
        out for classes of which everything arrives that has the types which its fields declare.

        Raises:
            ValueError: it cannot be written, or would not arrive as it is; the message names the field.
        """
        try:
            body = self._write(value)
        except Exception as error:
            found = culprit(value, self._write)
            why = str(error) or type(error).__name__
            raise ValueError(f"{found}: {why}" if found else why) from error
        if self._is_raw or (in_bulk and type(value) is self._proven and b"null" not in body):  # NaN is written as null
            return body
        try:
            received = self._read(body) if self.check is None else self.read(body)
        except Exception as error:
            found = non_finite(value)
            why = f"{found} is NaN or infinite, and JSON has no such numbers" if found else str(error)
            raise ValueError(f"it could not be read again: {why or type(error).__name__}") from error
        if self._equality_suffices:
            try:
                if received == value:
                    return body
            except Exception:  # noqa: S110 - compared field by field, then
                pass
        found = difference(value, received, is_open=self._is_open)
        if found is not None:
            raise ValueError(found)
        return body

    def read(self, body: bytes | msgspec.Raw) -> Any:
        """Return the value that JSON stands for.

        Raises whatever its type raises.
        """
        value = self._read(body)
        if self.check is not None:
            self.check(value)
        return value
