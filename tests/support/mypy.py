"""The second type checker, for what is hard on such tools."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def complaints(path: str) -> list[str]:
    """What mypy, strict, has against a file, unnecessary ignores included."""
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir=/dev/null", path]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return [line for line in ran.stdout.splitlines() if line.startswith(path)] + ran.stderr.splitlines()
