"""What cannot be a task is refused when it is registered, by a sentence that says what to write."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from jobsvalkey import GIVEN, ConfigurationError, InvalidParameters, JobContext, JobName
from tests.unit.runtime.support import make_queue

if TYPE_CHECKING:
    from decimal import Decimal


class Pool:
    """What cannot be pushed."""


async def many(*paths: str) -> None: ...


async def many_by_name(**paths: str) -> None: ...


async def no_type(path: Any) -> None: ...


no_type.__annotations__.clear()


async def cannot_be_pushed(path: str, *, pool: Pool) -> None: ...


async def not_to_be_found(amount: "Decimal") -> None: ...


async def misspelled(amount: Any) -> None: ...


misspelled.__annotations__["amount"] = "Desimal"


async def bad_key(words: dict[tuple[int, int], str]) -> None: ...


async def generator(path: str) -> Any:
    yield path


def plain_generator(path: str) -> Any:
    yield path


class Mailer:
    async def send(self, to: str) -> None: ...

    def __call__(self, to: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (many, r"'many' takes \*paths"),
        (many_by_name, r"takes \*\*paths"),
        (no_type, "'path' of task 'no_type' has no type"),
        (cannot_be_pushed, "cannot_be_pushed.pool is a Pool.*has the default GIVEN"),
        (not_to_be_found, "'Decimal' is not defined.*TYPE_CHECKING"),
        (misspelled, "'Desimal' is not defined"),
        (bad_key, "bad_key.words has a dictionary"),
        (generator, "generator function"),
        (plain_generator, "generator function"),
        (functools.partial(plain_generator, "a"), "a task is a function"),
        (Mailer.send, "is a method"),
        (Mailer, "a task is a function"),
        (Mailer(), "a task is a function"),
        ("resize", "a task is a function, not 'resize'"),
        (JobName("resize", str), "a task is a function"),
        (lambda: None, "a lambda has no name"),
    ],
)
def test_it_is_refused_and_nothing_is_registered(function: Any, why: str) -> None:
    queue = make_queue()
    before = queue.registered_jobs
    with pytest.raises(ConfigurationError, match=why):
        queue.task(function)
    assert queue.registered_jobs == before


def test_a_task_is_not_registered_as_something_else() -> None:
    queue = make_queue()

    @queue.task
    async def resize(path: str) -> None: ...

    wrong: Any = resize
    with pytest.raises(ConfigurationError, match="is a task already"):
        make_queue().task(wrong)
    with pytest.raises(ConfigurationError, match="runs its own function"):
        queue.job(wrong)


@pytest.mark.parametrize("name", [5, b"resize", ""])
def test_its_name_is_text(name: Any) -> None:
    decorate: Callable[..., Any] = make_queue().task(name=name)
    if name == "":
        assert decorate(cannot_be_named).job.name == "cannot_be_named"
    else:
        with pytest.raises(TypeError, match="name is text or None"):
            decorate(cannot_be_named)


async def cannot_be_named() -> None: ...


async def test_a_push_of_the_task_itself_needs_no_arguments_or_says_which() -> None:
    queue = make_queue()

    @queue.task
    async def resize(path: str) -> None: ...

    @queue.task
    async def tidy(*, context: JobContext = GIVEN) -> None: ...

    push: Any = queue.push
    await push(tidy)
    with pytest.raises(InvalidParameters, match=r"'resize'.*'path'"):
        await push(resize)


async def test_a_default_that_is_not_of_its_type_is_refused_when_it_would_be_stored() -> None:
    queue = make_queue()

    nothing: Any = None

    @queue.task
    async def resize(path: str = nothing) -> None: ...

    with pytest.raises(InvalidParameters, match="path"):
        await resize.push()
    await resize.push("a")
