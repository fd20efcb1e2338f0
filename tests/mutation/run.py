# ruff: noqa: T201 - it is there to print
"""Mutation by machine: changes a sample of a program's lines, one at a time, and holds each against the kit.

`python -m tests.mutation.run twin` goes on where it was stopped; the results are in `tests/mutation/results`.
"""

import argparse
import hashlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from jobsvalkey_conformance import context
from jobsvalkey_conformance.run import run

from tests.mutation.left_out import EQUIVALENT
from tests.mutation.own import first_failure as first_failure_of_own
from tests.mutation.point import Point
from tests.mutation.programs import PROGRAMS, Program
from tests.support.servers import ServerOptions, local_kind

RESULTS = Path(__file__).parent / "results"
AREAS = "not test_stateful and not test_histories and not test_process"
"""The areas; but other processes have the program as it is."""
SEARCHES = "test_stateful or test_histories"
LIKELY = (
    (r"abort|ABORT|hears", "abort"),
    (r"naming|planning|[Uu]nique|\bnames?\b", "unique or holding or replacing"),
    (r"progress|reports?\b|saved", "reports or saved"),
    (r"expir(?!e_at)(?!es =)", "expiry or expired"),
    (r"keep_for|results?\b|ended\b", "results or ended"),
    (r"push_if", "scheduling"),
    (r"lock\.|metadata\.lua", "metadata"),
    (r"cleanup", "cleanup"),
    (r"counts|page\.|inspect|read\.lua|load", "inspection"),
    (r"pause_queue|is_paused|paus", "pausing or resume"),
)
"""Words of a change, and the areas that it is most likely to break, most of them late in the suite: they come first."""
FIRST = 12
"""How many tests come first, of those that meet what is changed."""
SERVER = "JOBSVALKEY_MUTATION_SERVER"
"""The variable that tells the processes where the run's server is."""
SECONDS = 300.0
"""After which a run of the kit counts as hanging: the mutant is killed by that."""


FOLDER = Path(tempfile.gettempdir())


def met_file(program: Program) -> Path:
    """Where `tests.mutation.meeting` notes which tests meet each combination; of use until a line changes."""
    return FOLDER / f"jobsvalkey-met-{program.name}.json"


def sample(found: list[Point], size: int, seed: int) -> list[Point]:
    """Choose changes by chance. Most stay the same when lines are added elsewhere."""

    def rank(point: Point) -> str:
        return hashlib.sha1(f"{seed}{point.key}".encode(), usedforsecurity=False).hexdigest()

    return sorted(found, key=rank)[:size]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=list(PROGRAMS))
    parser.add_argument("--sample", type=int, default=150, help="how many changes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="run what survived once more")
    parser.add_argument("--areas", action="store_true", help="leave out the searches, which take most of the time")
    parser.add_argument("--own", action="store_true", help="run what the kit let live against the driver's own tests")
    parser.add_argument("--combined", action="store_true", help="leave lines out for the jobs with some feature only")
    options = parser.parse_args()
    program = PROGRAMS[options.program]
    found, tests = program.points(), dict[str, list[str]]()
    if options.combined:
        tests = json.loads(met_file(program).read_text("utf-8"))
        found = [point for point in program.combinations() if point.key in tests]
    chosen = sample(found, options.sample, options.seed)
    results = Results(RESULTS / f"{program.name}{'-combined' if options.combined else ''}.json")
    warm_up()
    for number, point in enumerate(chosen, 1):
        known = results.known.get(point.key)
        if point.key in EQUIVALENT or (known is not None and (known["by"] or not (options.again or options.own))):
            continue
        if known is not None and not options.again:
            result = {**known, "by": first_failure_of_own(program, point)}
        else:
            with server_for(program):  # a new one each time: a changed script may leave a server that does nothing more
                selections = selections_for(point, tests.get(point.key), searches=not options.areas)
                result = hold(program, point, selections)
        results.add(point, result)
        verdict = result["by"] or "SURVIVED"
        print(f"{number:>4} {result['seconds']:>5.1f} s  {verdict}  {result['change']}", flush=True)
    print(summary(chosen, results))


class Results:
    """The verdicts so far, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def add(self, point: Point, result: dict[str, Any]) -> None:
        """Write one more down."""
        self.known[point.key] = result
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(json.dumps(self.known, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")


def summary(chosen: list[Point], results: Results) -> str:
    """Count the verdicts of a sample."""
    equivalent = [point for point in chosen if point.key in EQUIVALENT]
    verdicts = [results.known[point.key] for point in chosen if point.key not in EQUIVALENT]
    areas = sum(verdict["by"] not in ("", *SEARCHED) and OWN not in verdict["by"] for verdict in verdicts)
    own = sum(OWN in verdict["by"] for verdict in verdicts)
    killed = sum(bool(verdict["by"]) for verdict in verdicts)
    times = sorted(verdict["seconds"] for verdict in verdicts if verdict["by"])
    median = times[len(times) // 2] if times else 0.0
    total = len(verdicts)
    return (
        f"{total} changes, {len(equivalent)} more are equivalent: {killed} killed ({interval(killed, total)}), "
        f"{areas} of them by area tests ({interval(areas, total)}), {own} by other tests; median {median:.1f} s"
    )


SEARCHED = ("test_stateful", "test_histories")
OWN = "::"
"""In the name of a test that is none of the kit's."""


def interval(part: int, whole: int) -> str:
    """A share in percent with its interval (Wilson, 95 %)."""
    z, share = 1.96, part / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z / (1 + z * z / whole) * (share * (1 - share) / whole + z * z / (4 * whole * whole)) ** 0.5
    return f"{100 * share:.0f} %, {100 * (middle - half):.0f} to {100 * (middle + half):.0f}"


@contextmanager
def server_for(program: Program) -> Generator[str | None]:
    """A server for the programs that need one, which the harness is told; its URL."""
    if "Valkey" in program.harness:
        with local_kind().make(ServerOptions()) as server:
            os.environ[SERVER] = server.url
            yield server.url
    else:
        # Files that nobody keeps: a disk that is busy would take most of the time.
        tempfile.tempdir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
        yield None


def warm_up() -> None:
    """Import what no change touches, once for all children."""
    for module in ("run", "suite"):
        import_module(f"jobsvalkey_conformance.{module}")
    context.PATIENCE = 2.0
    os.environ["JOBSVALKEY_TEST_SECONDS"] = "15"


def selections_for(point: Point, tests: list[str] | None, *, searches: bool) -> list[str]:
    """Choose what to run: the areas that a change is about, all of them, then the searches.

    If it is known which tests meet what is changed, these are the areas, some fast ones first.
    """
    last = [SEARCHES] if searches else []
    if tests is not None:
        parts = (tests[:FIRST], tests[FIRST:])
        return [*(" or ".join(part) for part in parts if part), *last]
    likely = next((areas for words, areas in LIKELY if re.search(words, f"{point.path} {point.line}")), None)
    return [*([likely] if likely else []), AREAS, *last]


def hold(program: Program, point: Point, selections: list[str]) -> dict[str, Any]:
    """Hold one changed program against parts of the kit, one after the other."""
    began = time.monotonic()
    killer = next(filter(None, (in_child(program, point, selection) for selection in selections)), "")
    source = program.sources()[point.path]
    return {
        "path": point.path,
        "change": point.shown(source),
        "by": killer,
        "seconds": round(time.monotonic() - began, 1),
    }


def in_child(program: Program, point: Point, selection: str) -> str:
    """Run a part of the kit in a process of its own; the first test that fails, or what else went wrong."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            os.setsid()
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            os.write(writing, first_failure(program, point, selection).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    deadline, ended = time.monotonic() + SECONDS, False
    while not ended and time.monotonic() < deadline:
        ended = os.waitpid(child, os.WNOHANG) != (0, 0)
        time.sleep(0.02)
    if not ended:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with os.fdopen(reading) as answer:
        text = answer.read()
    return "" if text == "-" else text or ("it hangs" if not ended else "it cannot be run")


def first_failure(program: Program, point: Point, selection: str) -> str:
    """Say which test fails first, `-` if none does."""
    try:
        program.plant(point)
        if url := os.environ.get(SERVER):
            serve(url)
        collector = run(program.harness, select=selection, stop=True)
    except BaseException as error:
        return f"{type(error).__name__} before the kit"
    failed = [result.test for result in collector.results() if result.outcome == "failed"]
    if failed:
        return failed[0]
    return "-" if collector.ended == 0 else "it cannot be imported"


def serve(url: str) -> None:
    """Let the harness use a server."""
    # They bring the driver, which may be the one that is changed.
    harness_type = import_module("tests.support.harnesses").ValkeyHarness
    remote = import_module("tests.support.servers.remote")
    harness_type.server = remote.RemoteServer("mutation", "the run's own", url, remote.ServerOptions())


if __name__ == "__main__":
    sys.exit(main())
