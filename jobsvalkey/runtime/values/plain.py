"""The plain form of values: JSON as msgspec and pydantic write it, with dates as RFC 3339 text."""

from collections.abc import Callable
from typing import Any, cast

import msgspec

from jobsvalkey.contract.option_types import with_article
from jobsvalkey.runtime.values import pydantic_models as models


def encode_other(value: Any) -> Any:
    """Encode a pydantic model, for msgspec."""
    kind = cast("Any", type(value))
    if models.is_secret(kind):
        raise models.Unwritable(kind, models.SECRETS_ADVICE)
    if not models.is_model(kind):
        raise models.Unwritable(kind)
    return msgspec.Raw(models.dump_json(value))


def decode_other(kind: type[Any], value: Any) -> Any:
    """Decode a pydantic model, for msgspec."""
    if not models.is_model(kind):
        raise NotImplementedError(f"{with_article(kind.__qualname__)} cannot be read from JSON")
    # Once more through JSON, since a strict model takes a date from JSON text but not from a str.
    return kind.model_validate_json(msgspec.json.encode(value))


write_plain: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=encode_other).encode
"""Writes a value as JSON."""


def plain_reader(kind: Any) -> Callable[[Any], Any]:
    """Return what reads values of a type from JSON."""
    return msgspec.json.Decoder(kind, dec_hook=decode_other).decode
