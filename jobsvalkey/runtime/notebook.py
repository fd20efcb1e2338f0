"""The state that a job saves: a value of its handler's, and those of its steps, side by side."""

from typing import Any

import msgspec

from jobsvalkey.contract import ConfigurationError, PayloadTooLarge
from jobsvalkey.runtime.failure import message_of
from jobsvalkey.runtime.result_values import UNDECLARED, ResultCodec
from jobsvalkey.runtime.values import Values


class _Pages(msgspec.Struct, omit_defaults=True):
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    steps: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict[str, msgspec.Raw])


class Notebook:
    """Holds what a job has saved, as the store has it or is about to have it.

    Args:
        state: as it came with the claim.
        values: the form of the queue's values.
        largest: bytes that all of it may have.
        job: the job's name, for errors.
    """

    def __init__(self, state: bytes | None, values: Values, largest: int, job: str) -> None:
        self._values: Values = values
        self._largest = largest
        self._job = job
        try:
            self._pages = _Pages() if state is None else msgspec.json.decode(state, type=_Pages)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"what job {job!r} has saved cannot be read, something else has stored it: {error}"
            ) from error

    def value(self, kind: Any) -> Any:
        """The value that was saved last, as a type; `None` if none was.

        Raises:
            ConfigurationError: it cannot be read as that.
        """
        written = self._pages.value
        if written is msgspec.UNSET or bytes(written) == b"null":
            return None
        return self._read(written, kind, "the value that was saved")

    def has_step(self, name: str) -> bool:
        """Whether a step has a value."""
        return name in self._pages.steps

    def step(self, name: str, kind: Any) -> Any:
        """The value of a step that has one.

        Raises:
            ConfigurationError: it cannot be read as that type.
        """
        return self._read(self._pages.steps[name], kind, f"the value of its step {name!r}")

    def note_value(self, value: Any) -> bytes:
        """Put the value in the place of the last one; all of the notebook, to be stored.

        Raises:
            TypeError: the value cannot be stored, or would not arrive unchanged.
            PayloadTooLarge: all of it is larger than `max_payload`. Nothing has changed then.
        """
        return self._note(_Pages(self._write(value, UNDECLARED, "a value"), self._pages.steps))

    def note_step(self, name: str, value: Any, kind: Any) -> bytes:
        """Note the value of a step; the same."""
        written = self._write(value, kind, f"the value of the step {name!r}")
        return self._note(_Pages(self._pages.value, {**self._pages.steps, name: written}))

    def _note(self, pages: _Pages) -> bytes:
        state = msgspec.json.encode(pages)
        if len(state) > self._largest:
            raise PayloadTooLarge(
                f"what job {self._job!r} saves has {len(state):,} bytes, more than max_payload ({self._largest:,}): "
                "store large data elsewhere and save a reference, or raise max_payload"
            )
        self._pages = pages
        return state

    def _write(self, value: Any, kind: Any, what: str) -> msgspec.Raw:
        codec = ResultCodec(kind, self._values)
        try:
            return msgspec.Raw(codec.write(value))
        except Exception as error:
            raise TypeError(f"{what} of job {self._job!r} cannot be saved as {codec!r}: {message_of(error)}") from error

    def _read(self, written: msgspec.Raw, kind: Any, what: str) -> Any:
        codec = ResultCodec(kind, self._values)
        try:
            return codec.read(bytes(written))
        except Exception as error:
            raise ConfigurationError(
                f"{what} cannot be read as {codec!r} by job {self._job!r}: {message_of(error)}"
            ) from error
