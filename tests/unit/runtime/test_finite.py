import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from jobsvalkey import InvalidParameters
from jobsvalkey.runtime.codec import RequestEncoder

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Reading:
    values: list[float | None] = field(default_factory=list[float | None])


class Model(BaseModel):
    value: float | None = None


def wrapped(value: float) -> list[Any]:
    return [value, {"a": (value,)}, Reading([None, value]), Model(value=value)]


@pytest.mark.parametrize("parameters", [each for value in (math.nan, math.inf, -math.inf) for each in wrapped(value)])
def test_what_json_has_no_number_for_is_refused(parameters: Any) -> None:
    with pytest.raises(InvalidParameters, match="NaN"):
        RequestEncoder()("job", parameters, NOW)


def test_it_is_refused_in_swifts_form_too() -> None:
    with pytest.raises(InvalidParameters, match="NaN"):
        RequestEncoder("swift")("job", Reading([math.nan]), NOW)


@pytest.mark.parametrize("value", [None, [None, 1.5], "null", Reading([None]), Model(), {"null": 1.0}])
def test_null_is_fine(value: Any) -> None:
    assert b"null" in RequestEncoder()("job", value, NOW)
