"""NaN and infinity, which JSON has no words for and the encoder writes as `null`: better refused than lost."""

import math
from collections.abc import Mapping
from typing import Any, cast

import msgspec


def check_finite(parameters: Any) -> None:
    """Nothing, where no number in the parameters is NaN or infinite.

    Raises:
        ValueError: one is.
    """
    if _has_non_finite(msgspec.to_builtins(parameters, enc_hook=_other)):
        raise ValueError("NaN and infinity are not numbers in JSON")


def _other(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)  # a pydantic model
    return str(value) if dump is None else dump()


def _has_non_finite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Mapping):
        return any(map(_has_non_finite, cast("Mapping[Any, Any]", value).values()))
    if isinstance(value, list | tuple):
        return any(map(_has_non_finite, cast("list[Any]", value)))
    return False
