"""What fuzzers have found worth while: a file for each target, and in it an input for each line, in hexadecimal."""

from collections.abc import Iterable
from pathlib import Path

MOST = 40
"""Inputs that are kept of a target."""


def read(target: str) -> list[bytes]:
    """Read the inputs of a target."""
    path = Path(__file__).parent / f"{target}.txt"
    return [bytes.fromhex(line) for line in path.read_text().splitlines()] if path.exists() else []


def write(target: str, inputs: Iterable[bytes]) -> None:
    """Keep those that are there, and of the others, from small to large, as many as there is room for."""
    kept = read(target)
    others = sorted(set(inputs) - set(kept), key=lambda data: (len(data), data))
    room = max(MOST - len(kept), 0)
    chosen = others[:: max(1, len(others) // room)][:room] if room else []
    lines = sorted({data.hex() for data in (*kept, *chosen)})
    (Path(__file__).parent / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines))
