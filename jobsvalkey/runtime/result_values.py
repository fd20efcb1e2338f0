"""Results of handlers, as they are stored: in the form of the queue's values, by the type that the handler declares."""

import collections.abc
import functools
import inspect
import typing
from typing import Any, Final, cast

import msgspec

from jobsvalkey.runtime.values import Form, Values, make_form
from jobsvalkey.runtime.values.annotations import name_of_type

UNDECLARED: Final = object()
"""Stands for the type of what is returned where a handler does not declare it."""
_AWAITED = (collections.abc.Awaitable, collections.abc.Coroutine)


def returned_type(handler: Any) -> Any:
    """Find the type that a handler declares to return; `UNDECLARED` if it declares none, or none that can be found."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    if not inspect.isroutine(handler):
        kind: Any = cast("type[Any]", type(handler))
        handler = getattr(kind, "__call__", handler)  # noqa: B004 - an object's own
    try:
        annotation = typing.get_type_hints(inspect.unwrap(handler), include_extras=True).get("return", UNDECLARED)
    except Exception:  # a name that is known to type checkers only
        return UNDECLARED
    if typing.get_origin(annotation) in _AWAITED and not inspect.iscoroutinefunction(handler):
        annotation = typing.get_args(annotation)[-1]  # a plain function that returns a coroutine
    return UNDECLARED if annotation in (Any, object) else annotation


class ResultCodec:
    """Writes and reads the results of one job."""

    def __init__(self, kind: Any, values: Values) -> None:
        self._kind = kind
        self._values: Values = values
        self._form: Form | None = None

    @property
    def kind(self) -> Any:
        """The type that results are read as; `UNDECLARED` if nobody has said."""
        return self._kind

    def write(self, result: Any) -> bytes:
        """Return a result as JSON.

        Raises:
            TypeError, ValueError: it cannot be written, or would not arrive as it is.
        """
        if self._kind is UNDECLARED:
            return make_form(type(result), self._values).write(result)
        return self._declared().write(result)

    def read(self, result: bytes) -> Any:
        """Return the value that was written; without a type what JSON says.

        Raises whatever its type raises.
        """
        return msgspec.json.decode(result) if self._kind is UNDECLARED else self._declared().read(result)

    def _declared(self) -> Form:
        if self._form is None:
            self._form = make_form(self._kind, self._values)
        return self._form

    def __repr__(self) -> str:
        return "anything" if self._kind is UNDECLARED else name_of_type(self._kind)
