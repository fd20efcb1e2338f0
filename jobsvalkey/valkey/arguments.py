"""The types of what goes to the server and of what comes back."""

from typing import Any, TypeAlias

Argument: TypeAlias = bytes | str | int
Reply: TypeAlias = Any
"""A reply as the client gives it; each caller knows its own."""
