"""The state of a lifespan is found by type, or the lack of it is told before a job is claimed."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, NewType, Protocol, cast, runtime_checkable

import attrs
import msgspec
import pytest
from pydantic import BaseModel

from jobsvalkey import GIVEN, ConfigurationError, JobContext, JobName, JobStatus, ProcessorOptions
from jobsvalkey_memory import inline, run_until_idle
from tests.unit.runtime.support import claim_one, make_queue


class Images:
    def __init__(self, url: str = "") -> None:
        self.url = url


class LocalImages(Images):
    """More than images."""


class Mail:
    """Something else."""


@runtime_checkable
class Named(Protocol):
    url: str


class Send(Protocol):
    def __call__(self, to: str, /) -> None: ...


Log = Callable[[str], None]


@dataclasses.dataclass
class DataState:
    images: Images
    send: Send
    log: Log
    cache: dict[str, int] | None = None
    mail: Mail | None = None


@attrs.define
class AttrsState:
    images: Images


class StructState(msgspec.Struct):
    images: Images


class TupleState(NamedTuple):
    images: Images


@dataclasses.dataclass
class TwoPools:
    first: Images
    second: Images
    local: LocalImages


class ModelState(BaseModel, arbitrary_types_allowed=True):
    images: Images


ReadImages = NewType("ReadImages", Images)


@dataclasses.dataclass
class ToldApart:
    read: ReadImages
    write: Annotated[Images, "write"]
    spare: Annotated[Images, ["spare"]]


def send(to: str, /) -> None: ...


def find(state: object, kind: Any) -> Any:
    return JobContext.for_test(state=state).state_of(kind)


@pytest.mark.parametrize("state_type", [AttrsState, StructState, TupleState, ModelState])
def test_a_field_is_found_by_its_type_and_the_state_by_its_own(state_type: Any) -> None:
    images = Images()
    state = state_type(images=images)
    assert find(state, Images) is images
    assert find(state, state_type) is state
    with pytest.raises(ConfigurationError, match=r"State is no Mail, nor any of its fields \(images\)"):
        find(state, Mail)


def test_any_object_is_a_state() -> None:
    images = LocalImages()
    assert find(images, LocalImages) is images
    assert find(images, Images) is images
    with pytest.raises(ConfigurationError, match="LocalImages is no Mail"):
        find(images, Mail)


def test_a_field_is_found_by_the_type_that_it_is_declared_with() -> None:
    local = LocalImages("here")
    state = DataState(images=local, send=send, log=print, cache={"a": 1})
    assert find(state, Images) is local
    assert find(state, LocalImages) is local
    assert find(state, Send) is send
    assert find(state, Log) is print
    assert find(state, dict) == {"a": 1}
    assert find(state, Named) is local
    with pytest.raises(ConfigurationError, match="is no Mail"):
        find(state, Mail)  # none of it is there


def test_what_is_declared_comes_before_what_is_an_instance() -> None:
    local = LocalImages()
    assert find(TwoPools(Images(), Images(), local), LocalImages) is local


def test_more_than_one_is_not_guessed() -> None:
    with pytest.raises(ConfigurationError, match=r"several fields of the type Images \(first, second\)"):
        find(TwoPools(Images(), Images(), LocalImages()), Images)


async def test_those_of_one_type_are_told_apart_by_a_name_or_by_metadata() -> None:
    read, write, spare = Images("read"), Images("write"), Images("spare")
    state = ToldApart(ReadImages(read), write, spare)
    with pytest.raises(ConfigurationError, match="several fields of the type Images"):
        find(state, Images)
    assert find(state, ReadImages) is read
    assert find(state, Annotated[Images, ["spare"]]) is spare
    queue, seen = make_queue(), list[Images]()

    @queue.task
    async def copy(
        one: Annotated[Images, "write"] = GIVEN,
        other: ReadImages | None = GIVEN,
        last: Annotated[Images, ["spare"]] = GIVEN,
    ) -> None:
        seen.extend([one, cast("Images", other), last])

    await copy.push()
    await run_until_idle(queue, state=state)
    assert seen == [write, read, spare]


def test_without_a_state_there_is_nothing() -> None:
    with pytest.raises(ConfigurationError, match="there is no state, and so no Images: give the service a lifespan"):
        find(None, Images)


async def test_handlers_of_either_style_are_given_it() -> None:
    queue, seen, images = make_queue(), list[Any](), Images("u")

    @queue.task
    async def resize(path: str, *, context: JobContext = GIVEN, images: Images = GIVEN) -> None:
        seen.append((path, context.attempt, images))

    @queue.task
    def shrink(path: str, *, images: Images | None = GIVEN) -> None:
        seen.append((path, images))

    @queue.job(JobName("enlarge", str))
    async def enlarge(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        seen.append((parameters, context.state_of(Images)))

    async def push() -> None:
        await resize.push("a")
        await shrink.push("b")
        await queue.push(JobName("enlarge", str), "c")

    expected = [("a", 1, images), ("b", images), ("c", images)]
    await push()
    await run_until_idle(queue, state=images)
    assert seen == expected
    await push()
    await queue.processor(ProcessorOptions(burst=True, num_workers=1), state=images).run()
    assert seen == expected * 2
    job_id = await resize.push("d")
    await queue.runner(state=images).run(await claim_one(queue))
    assert seen[-1] == ("d", 1, images)
    assert await queue.status(job_id) is JobStatus.PROCESSING


def test_inline_gives_it_too() -> None:
    queue, seen, images = make_queue(), list[Any](), Images()

    @queue.task
    async def resize(path: str, *, images: Images = GIVEN) -> None:
        seen.append(images)

    with inline(queue, state=images) as run:
        run(resize.push("a"))
    assert seen == [images]


@pytest.mark.parametrize("state", [None, Mail(), TwoPools(Images(), Images(), LocalImages())])
async def test_what_is_missing_is_told_before_a_job_is_claimed(state: object) -> None:
    queue = make_queue()
    processor = queue.processor(ProcessorOptions(burst=True), state=state)

    @queue.task
    async def resize(path: str, *, images: Images = GIVEN) -> None: ...

    job_id = await resize.push("a")
    with pytest.raises(ConfigurationError, match="task 'resize' cannot be given 'images': "):
        await processor.run()
    with pytest.raises(ConfigurationError, match="task 'resize' cannot be given 'images': "):
        await run_until_idle(queue, state=state)
    with pytest.raises(ConfigurationError):
        processor.use_state(state)
    record = await queue.get(job_id)
    assert record is not None
    assert (record.status, record.attempt) == (JobStatus.PENDING, 1)
    processor.use_state(Images())
    await processor.run()
    assert await queue.status(job_id) is JobStatus.COMPLETED


async def test_a_handler_that_asks_for_what_is_not_there_fails() -> None:
    queue = make_queue()

    @queue.job(JobName("enlarge", str))
    async def enlarge(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        context.state_of(Images)

    job_id = await queue.push(JobName("enlarge", str), "c")
    await run_until_idle(queue)
    record = await queue.get(job_id)
    assert record is not None
    assert record.error is not None
    assert record.error.type == "jobsvalkey.contract.errors.ConfigurationError"
