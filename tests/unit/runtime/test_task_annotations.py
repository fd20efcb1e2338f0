"""Tasks of modules whose annotations are text, as `from __future__ import annotations` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from jobsvalkey import GIVEN, ConfigurationError, JobContext
from jobsvalkey_memory import run_until_idle
from tests.unit.runtime.support import make_queue


@dataclass
class Size:
    width: int


class Images:
    """Given by the state."""


async def test_they_are_looked_up_in_their_module() -> None:
    queue, seen, images = make_queue(), list[Any](), Images()

    @queue.task
    async def resize(
        path: str, size: Size | None = None, *, context: JobContext = GIVEN, images: Images | None = GIVEN
    ) -> Size:
        seen.append((path, size, context.attempt, images))
        return Size(1)

    await resize.push("a", Size(5))
    await run_until_idle(queue, state=images)
    assert seen == [("a", Size(5), 1, images)]


def test_one_that_is_not_at_the_top_of_the_module_is_told() -> None:
    class Local:
        """Nobody finds this by its name."""

    async def resize(size: Local) -> None: ...

    with pytest.raises(
        ConfigurationError, match="'Local' is not defined; import or define it at the top of the module"
    ):
        make_queue().task(resize)
