"""Durable steps: parts of a handler that are done once, however often the job runs."""

import asyncio
import logging
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime.reports import Reports

T = TypeVar("T")


class _AnyStep(Generic[T]):
    def __init__(self, reports: Reports, name: str, kind: Any, logger: "logging.LoggerAdapter[logging.Logger]") -> None:
        check_option("the name of a step", name, str)
        if not name:
            raise ValueError("a step has a name, by which its value is found when the job runs again")
        self.name: str = name
        """The step's name."""
        self.done: bool = False
        """Whether the step has a value, from this run or an earlier one."""
        self._reports = reports
        self._kind = kind
        self._logger = logger
        self._value: Any = None

    @property
    def value(self) -> T:
        """The value with which the step has finished.

        Raises:
            RuntimeError: it has not finished yet.
        """
        if not self.done:
            raise RuntimeError(f"the step {self.name!r} has no value yet: do it, and then finish it, if not step.done")
        return self._value

    def _enter(self) -> None:
        if self.name in self._reports.steps:
            raise ValueError(
                f"a step named {self.name!r} was entered before in this run: each has a name of its own, "
                "in a loop with a number in it"
            )
        if self._reports.has_step(self.name):
            self._value = self._reports.step(self.name, self._kind)
            self.done = True
        self._reports.steps.add(self.name)

    def _check_open(self) -> None:
        if self.name not in self._reports.steps:
            raise RuntimeError(f"the step {self.name!r} was not entered: `async with context.step(…) as step`")
        if self.done:
            raise RuntimeError(f"the step {self.name!r} is done: it finishes once")

    def _done(self, value: T) -> T:
        self._value = value
        self.done = True
        return value

    def _leave(self, error: BaseException | None) -> None:
        if error is None and not self.done:
            self._logger.warning("the step %r ends without step.finish(…): it runs again with the job", self.name)


class Step(_AnyStep[T]):
    """One step of a coroutine, made by `context.step`."""

    async def __aenter__(self) -> Self:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)

    async def finish(self, value: T) -> T:
        """Store the value of the step, and return it once it is stored. From then on the step is done.

        Raises:
            ClaimLost: the job is no longer this worker's, so that the value cannot be stored.
            PayloadTooLarge: all that the job has saved would be larger than `max_payload`.
            TypeError: the value cannot be stored.
            RuntimeError: the step is done.
        """
        self._check_open()
        await asyncio.wrap_future(self._reports.finish_step(self.name, value, self._kind))
        return self._done(value)


class BlockingStep(_AnyStep[T]):
    """One step of a plain function, made by `context.blocking.step`."""

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)

    def finish(self, value: T) -> T:
        """Store the value of the step, and return it when it is stored, as `Step.finish` does."""
        self._check_open()
        self._reports.check_may_block()
        self._reports.finish_step(self.name, value, self._kind).result()
        return self._done(value)
