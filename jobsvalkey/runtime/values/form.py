"""The form of one type's values: writes them, reads them, and refuses what would not arrive as it is."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from jobsvalkey.contract.option_types import with_article
from jobsvalkey.runtime.values.annotations import name_of_type
from jobsvalkey.runtime.values.comparison import difference
from jobsvalkey.runtime.values.constraints import constraints_of
from jobsvalkey.runtime.values.places import culprit, non_finite
from jobsvalkey.runtime.values.plain import plain_reader, write_plain
from jobsvalkey.runtime.values.proof import proof_of
from jobsvalkey.runtime.values.pydantic_models import Unwritable, describe
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
        TypeError: they cannot be written or read, or would not arrive unchanged; the message names the field.
    """
    structure = look_at(kind, keys_of_all_kinds=values == "swift")
    if values == "plain" or kind is msgspec.Raw:  # which is JSON already
        return Form(structure, write_plain, plain_reader(kind), constraints_of(kind))
    codec = SwiftCodec(kind)
    return Form(structure, codec.write, codec.read, constraints_of(kind))


class Form:
    """How the values of one type are written and read."""

    __slots__ = ("_equality_suffices", "_is_open", "_is_raw", "_proof", "_read", "_write", "check")

    def __init__(
        self,
        structure: Structure,
        write: Callable[[Any], bytes],
        read: Callable[[Any], Any],
        check: Callable[[Any], object] | None,
    ) -> None:
        self._write = write
        self._read = read
        self.check: Callable[[Any], object] | None = check
        """Raises an error if a value that was read breaks a constraint; `None` if there is none to check."""
        self._is_open = structure.is_open
        self._equality_suffices = structure.equality_suffices
        self._proof = proof_of(structure.info) if structure.equality_suffices and check is None else None
        self._is_raw = isinstance(structure.info, msgspec.inspect.RawType)

    def write(self, value: Any) -> bytes:
        """Return a value as JSON.

        It is read again, so that what cannot arrive is refused here, and not by every worker: unless the types of its
        fields prove that it arrives.

        Raises:
            ValueError: it cannot be written, or would not arrive unchanged; the message names the field.
        """
        try:
            body = self._write(value)
        except Exception as error:
            raise ValueError(_why_not_written(value, self._write, error)) from error
        proof = self._proof
        # NaN is written as null.
        if proof is not None and proof.holds(value) and not (proof.may_hold_nan and b"null" in body):
            return body
        try:
            received = self._read(body) if self.check is None else self.read(body)
        except Exception as error:
            found = non_finite(value)
            why = f"{found} is NaN or infinite, and JSON has no such numbers" if found else describe(error)
            raise ValueError(f"it could not be read again: {why}") from error
        if not self._is_raw and not self._is_equal(value, received):
            try:
                found = difference(value, received, is_open=self._is_open)
            except RecursionError:
                raise ValueError(
                    "it is nested too deeply, or holds itself: push its parts as jobs of their own"
                ) from None
            if found is not None:
                raise ValueError(found)
        if proof is not None:
            proof.learn(value)
        return body

    def _is_equal(self, value: Any, received: Any) -> bool:
        """Return whether nothing more than `==` is needed to know that a value has arrived."""
        if not self._equality_suffices:
            return False
        try:
            return bool(received == value)
        except Exception:
            return False  # compared field by field, then

    def read(self, body: bytes | msgspec.Raw) -> Any:
        """Return the value that JSON stands for.

        Raises whatever its type raises.
        """
        value = self._read(body)
        if self.check is not None:
            self.check(value)
        return value


def _why_not_written(value: Any, write: Callable[[Any], bytes], error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply, or holds itself: push its parts as jobs of their own"
    place, kind = culprit(value, write)
    if isinstance(error, Unwritable):
        return f"{place or 'the value'} is {error}"
    return f"{place} is {with_article(name_of_type(kind))}: {describe(error)}" if place else describe(error)
