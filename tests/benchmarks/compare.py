"""jobsvalkey beside its peers, in one command, on a quiet machine::

    python -m tests.benchmarks.compare speed.json            # all columns; one takes some minutes
    python -m tests.benchmarks.compare speed.json --columns push start --peers jobsvalkey huey

What was measured goes to the file at once: the same command goes on where it was stopped. With `--publish` the tables
and the picture of the documentation are made from it. It fails if a queue did not run all its jobs, never for a time.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.peers.all import MODULES
from tests.benchmarks.peers.columns import COLUMNS
from tests.benchmarks.peers.environments import environment, versions
from tests.benchmarks.peers.journal import Journal
from tests.benchmarks.peers.plan import WARM, Size
from tests.benchmarks.peers.record import Record
from tests.benchmarks.peers.sides import PeerFailed, Scene, Server
from tests.benchmarks.peers.tables import costs, speeds
from tests.support.servers import ServerOptions, local_kind
from tests.support.speed_plots import publish


def main() -> None:
    """Compare, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="where the samples are, or go")
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--peers", nargs="+", choices=MODULES, default=list(MODULES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=float, default=1, help="how many times as many jobs; small ones are for a try")
    parser.add_argument("--environments", type=Path, default=Path(tempfile.gettempdir()) / "jobsvalkey-peers")
    parser.add_argument("--publish", action="store_true", help="put the tables and the picture into the documentation")
    given = parser.parse_args()
    size = Size().times(given.size)
    interpreters = {name: environment(name, given.environments) for name in given.peers}
    releases = {name: versions(name, interpreter) for name, interpreter in interpreters.items()}
    with tempfile.TemporaryDirectory() as folder, local_kind().make(ServerOptions()) as server:
        # The scheme that all of them know.
        url = server.url.replace("valkey://", "redis://", 1)
        record = Record(given.file, size, f"{server.kind}, {server.version}", releases)
        # Each round has all peers in turn, so that what disturbs the machine disturbs all alike.
        for number in range(1, given.rounds + 1):
            for column in given.columns:
                for name in given.peers:
                    if not record.has(column, name, number):
                        sys.stderr.write(f"round {number} of {given.rounds}: {column}: {name}\n")
                        record.add(column, name, number, _sample(column, name, interpreters[name], url, size, folder))
    sys.stdout.write(f"{speeds(record)}\n{costs(record)}")
    if given.publish:
        publish(speeds(record), costs(record))
    failures = [
        f"{peer}, {column}: {sample['failure']}"
        for column, peers in record.samples.items()
        for peer, rounds in peers.items()
        for sample in rounds.values()
        if "failure" in sample
    ]
    if failures:
        sys.exit("\n".join(failures))


def _sample(column: str, name: str, interpreter: Path, url: str, size: Size, folder: str) -> dict[str, object]:
    server, path = Server(url), Path(folder) / "journal"
    server.empty()
    jobs = WARM + max(size.one_by_one, size.bulk, size.drained, size.sampled + 1)
    scene = Scene(name, interpreter, url, server, Journal.create(path, jobs), path)
    try:
        return dict(COLUMNS[column].measure(scene, size))
    except PeerFailed as failed:
        return {"failure": str(failed)}


if __name__ == "__main__":
    main()
