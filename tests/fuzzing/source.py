"""Values out of bytes, as a fuzzer and Hypothesis both make them."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Source:
    """Takes values from the beginning of some bytes; when they are used up, the values are small."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, most: int) -> int:
        """A number from 0 to `most`, which is below 65,536."""
        size = 1 if most < 256 else 2
        return int.from_bytes(self._take(size)) % (most + 1)

    def choice(self, values: Sequence[T]) -> T:
        """One of them."""
        return values[self.number(len(values) - 1)]

    def some(self, most: int = 64) -> bytes:
        """Up to so many bytes."""
        return self._take(self.number(most))

    def text(self, most: int = 64) -> str:
        """The same as a text, whatever it is."""
        return self.some(most).decode("utf-8", "surrogateescape")

    def rest(self) -> bytes:
        """All that is left."""
        return self._take(len(self._data))

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        self._at += len(taken)
        return taken
