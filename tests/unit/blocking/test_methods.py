"""A method that `JobQueue` has, and its arguments, are there in the blocking queue as well."""

import inspect
import typing
from collections.abc import AsyncIterator, Iterator

import pytest

from jobsvalkey import BlockingJobQueue, JobQueue
from tests.support.mypy import complaints

OF_WORKERS = {"job", "processor", "register_job", "registered_jobs", "replace_job", "runner", "task"}
"""Which run in an event loop of their own, with `await`."""
OF_THE_LOOP = {"become_partition", "driver", "item", "shared_registry", "values"}
"""What only code in the background loop may use."""


def public(owner: type) -> set[str]:
    return {name for name in dir(owner) if not name.startswith("_")}


METHODS = sorted(public(JobQueue) - OF_WORKERS - OF_THE_LOOP)


def signature(method: object) -> inspect.Signature:
    """Its signature, if it waited and iterated."""
    found = inspect.signature(typing.cast("typing.Any", method))
    returns = found.return_annotation
    if typing.get_origin(returns) is AsyncIterator:
        found = found.replace(return_annotation=Iterator[typing.get_args(returns)])
    parameters = [each.replace(annotation=None) if each.name == "self" else each for each in found.parameters.values()]
    return found.replace(parameters=parameters)


def test_it_has_all_methods_of_the_queue_and_what_closes_it() -> None:
    assert public(BlockingJobQueue) == {*METHODS, "close", "from_url"}


@pytest.mark.parametrize("name", METHODS)
def test_arguments_and_results_are_those_of_the_queue(name: str) -> None:
    theirs, ours = getattr(JobQueue, name), getattr(BlockingJobQueue, name)
    assert str(signature(ours)) == str(signature(theirs))
    assert [str(signature(each)) for each in typing.get_overloads(ours)] == [
        str(signature(each)) for each in typing.get_overloads(theirs)
    ]
    assert inspect.getdoc(ours)
    assert not inspect.iscoroutinefunction(inspect.unwrap(ours))
    assert not inspect.isasyncgenfunction(inspect.unwrap(ours))


def test_mypy_sees_wrong_arguments() -> None:
    assert complaints("tests/unit/blocking/types_for_mypy.py") == []
