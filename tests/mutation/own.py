# ruff: noqa: T201 - its last line is the answer
"""Holds one changed program against tests of the repository that are none of the kit's.

`python -m tests.mutation.own PROGRAM KEY PATH`: a process of its own, which has seen nothing of the program unchanged.
"""

import signal
import subprocess
import sys

import pytest

from tests.mutation.point import Point
from tests.mutation.programs import PROGRAMS, ROOT, Program

SECONDS = 600.0
"""After which a run counts as hanging."""


def first_failure(program: Program, point: Point) -> str:
    """Name the first of the program's own tests that fails, nothing if none does."""
    return next(filter(None, (failure_in(path, program, point) for path in program.own_tests)), "")


def failure_in(path: str, program: Program, point: Point) -> str:
    """Name the first test of a file or folder that fails, nothing if none does.

    Raises:
        RuntimeError: they could not be run.
    """
    command = [sys.executable, "-m", __name__, program.name, point.key, path]
    asked = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        told, _ = asked.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        asked.send_signal(signal.SIGINT)  # it ends the servers that it has started
        asked.communicate()
        return f"{path}:: hangs"
    if asked.returncode:
        raise RuntimeError(f"{path} cannot be run on {point.key}")
    return told.splitlines()[-1].strip()


def main(name: str, key: str, path: str) -> None:
    """Plant the change, run the tests."""
    program = PROGRAMS[name]
    program.plant(next(point for point in program.points() if point.key == key))
    failed: list[str] = []

    class Collector:
        def pytest_collectreport(self, report: pytest.CollectReport) -> None:
            if report.failed:
                failed.append(f"{report.nodeid}::")

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed:
                failed.append(report.nodeid)

    ended = pytest.main([str(ROOT / path), "-x", "-n0", "-p", "no:cacheprovider"], plugins=[Collector()])
    print(f"\n{failed[0] if failed else ' '}")
    sys.exit(0 if failed or ended == pytest.ExitCode.OK else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
