"""Fuzzes one target: `python -m tests.fuzzing TARGET [SECONDS]`, ten minutes if nothing is said; needs atheris 3.0.0.

It begins with the corpus in `tests/fuzzing/corpus`, and adds some of what has led to new lines of the program. What it
finds is written to a file, which `python -m tests.fuzzing TARGET FILE` replays.
"""

import logging
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.fuzzing.corpus import read, write


def fuzz(target: str, seconds: str) -> int:
    """Fuzz in a process of its own, which libFuzzer ends; 0 if nothing was found."""
    with tempfile.TemporaryDirectory() as directory:
        for number, data in enumerate(read(target)):
            Path(directory, f"known-{number}").write_bytes(data)
        command = [sys.executable, "-m", "tests.fuzzing", target, seconds, directory]
        code = subprocess.run(command, check=False).returncode
        write(target, [file.read_bytes() for file in Path(directory).iterdir()])
        return code


def fuzz_here(target: str, seconds: str, directory: str) -> None:
    """Fuzz, and end this process."""
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["jobsvalkey", "tests.fuzzing"]):
        from tests.fuzzing.targets import TARGETS
    logging.disable(logging.CRITICAL)
    options = [f"-max_total_time={seconds}", "-max_len=512", "-timeout=20", f"-artifact_prefix={target}-"]
    atheris.Setup([sys.argv[0], *options, directory], TARGETS[target])
    atheris.Fuzz()


def replay(target: str, file: Path) -> None:
    """Do once what the fuzzer did."""
    from tests.fuzzing.targets import TARGETS

    TARGETS[target](file.read_bytes())


if __name__ == "__main__":
    name, *given = sys.argv[1:]
    if len(given) == 2:
        fuzz_here(name, *given)
    elif given and Path(given[0]).is_file():
        replay(name, Path(given[0]))
    else:
        sys.exit(fuzz(name, *given or ["600"]))
