"""Writes and reads the values of one type as Swift does.

`msgspec` writes dates as RFC 3339 and offers no other way, so values take a detour over plain Python objects.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from jobsvalkey.contract.option_types import with_article
from jobsvalkey.runtime.values import pydantic_models as models
from jobsvalkey.runtime.values.swift.compiler import compile_shape

_LEFT_AS_THEY_ARE = (datetime, timedelta, Decimal, UUID)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Any, float_hook=Decimal).decode


class SwiftCodec:
    """The values of one type.

    Raises:
        TypeError: the type hides its fields, or values of it would be written alike; the message names the field.
    """

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._shape = compile_shape(kind)

    def write(self, value: Any) -> bytes:
        """Return a value as JSON."""
        builtins = msgspec.to_builtins(value, builtin_types=_LEFT_AS_THEY_ARE, enc_hook=models.as_json_value)
        return _encode(self._shape.write(builtins))

    def read(self, body: bytes | msgspec.Raw) -> Any:
        """Return the value that JSON stands for."""
        return msgspec.convert(self._shape.read(_decode(body)), self._kind, str_keys=True, dec_hook=_as_it_is)


def _as_it_is(kind: type[Any], value: Any) -> Any:
    if isinstance(value, kind):
        return value  # a model, which its shape has made
    if not models.is_model(kind):
        raise NotImplementedError(f"{with_article(kind.__qualname__)} cannot be read")
    return kind.model_validate(value)
