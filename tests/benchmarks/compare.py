"""jobsvalkey beside its peers, in one command, on a quiet machine::

    python -m tests.benchmarks.compare speed.json --publish     # all of it, in about 25 minutes
    python -m tests.benchmarks.compare speed.json --columns push start --peers jobsvalkey huey

What was measured goes to the file at once: the same command goes on where it was stopped, and tries once more what has
failed. A queue that fails is told of, and the others go on. With `--publish` the figures, the pictures and the text
about them go into the documentation. It ends with 1 if a queue failed, never for a time.

The server gets jemalloc if the machine has it (Debian: `libjemalloc2`), for that is what a Valkey has that is built as
it should be. The one of the wheel has the allocator of libc, which takes long beside a million keys.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

from tests.benchmarks.peers.all import MODULES, peer_named
from tests.benchmarks.peers.columns import COLUMNS
from tests.benchmarks.peers.environments import OURS, environment, versions
from tests.benchmarks.peers.journal import Journal
from tests.benchmarks.peers.page import publish, report
from tests.benchmarks.peers.plan import WARM, Size
from tests.benchmarks.peers.record import Record
from tests.benchmarks.peers.sides import PeerFailed, Scene, Server
from tests.support.servers import ServerOptions, local_kind


def main() -> None:
    """Compare, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="where the samples are, or go")
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--peers", nargs="+", choices=MODULES, default=list(MODULES))
    parser.add_argument("--rounds", type=int, default=5, help="at most; some columns have fewer")
    parser.add_argument("--minutes", type=float, default=40, help="nothing is begun after so many")
    parser.add_argument("--size", type=float, default=1, help="how many times as many jobs; small ones are for a try")
    parser.add_argument("--environments", type=Path, default=Path(tempfile.gettempdir()) / "jobsvalkey-peers")
    parser.add_argument("--publish", action="store_true", help="put what was found into the documentation")
    given = parser.parse_args()
    size = Size().times(given.size)
    interpreters, releases, missing = _interpreters(given.peers, given.environments)
    allocator = find_library("jemalloc") if sys.platform == "linux" else None
    with tempfile.TemporaryDirectory() as folder, local_kind().make(ServerOptions(preload=allocator)) as server:
        about = f"{server.kind}, {server.version} with {'jemalloc' if allocator else 'the allocator of libc'}"
        record = Record(given.file, size, about, releases)
        end = time.monotonic() + 60 * given.minutes
        for number, column, name in _plan(given.columns, list(interpreters), given.rounds):
            if time.monotonic() > end:
                sys.stderr.write(f"{given.minutes:g} minutes are over: the same command goes on\n")
                break
            if not record.has(column, name, number):
                begun = time.monotonic()
                # The scheme that all of them know.
                url = server.url.replace("valkey://", "redis://", 1)
                sample = _sample(column, name, interpreters.get(name, Path(sys.executable)), url, size, folder)
                record.add(column, name, number, sample)
                failure = f": {sample['failure']}" if "failure" in sample else ""
                took = time.monotonic() - begun
                sys.stderr.write(f"round {number}: {column}: {name}: {took:.1f} s{failure}\n")
    sys.stdout.write(report(record))
    if given.publish:
        publish(record)
    failures = [f"{column}: {name}: {failure}" for column, name, failure in record.failures] + missing
    if failures:
        sys.exit("\n".join(failures))


def _plan(columns: list[str], peers: list[str], rounds: int) -> Iterator[tuple[int, str, str]]:
    """Name round, column and queue: each round has all in turn, so that what disturbs the machine disturbs all."""
    for number in range(1, rounds + 1):
        for column in columns:
            if number <= COLUMNS[column].rounds:
                yield from (
                    (number, column, name)
                    for name in COLUMNS[column].names
                    if name in peers or (name not in MODULES and OURS in peers)
                )


def _interpreters(peers: list[str], folder: Path) -> tuple[dict[str, Path], dict[str, str], list[str]]:
    """Return interpreters and releases of all whose environments can be made, and why others have none."""
    found, releases, missing = dict[str, Path](), dict[str, str](), list[str]()
    for name in peers:
        try:
            interpreter = environment(name, folder)
            releases[name] = versions(name, interpreter)
            found[name] = interpreter
        except (subprocess.CalledProcessError, OSError) as error:
            missing.append(f"{name} has no environment: {error}")
            sys.stderr.write(f"{missing[-1]}\n")
    return found, releases, missing


def _sample(column: str, name: str, interpreter: Path, url: str, size: Size, folder: str) -> dict[str, object]:
    server, path = Server(url), Path(folder) / "journal"
    try:
        server.empty()
        jobs = WARM + max(size.one_by_one, peer_named(name).quick * max(size.bulk, size.drained), size.sampled + 1)
        scene = Scene(name, interpreter, url, server, Journal.create(path, jobs), path)
        return dict(COLUMNS[column].measure(scene, size))
    except PeerFailed as failed:
        return {"failure": str(failed)}
    except Exception as error:  # of whatever kind: the others go on
        return {"failure": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
