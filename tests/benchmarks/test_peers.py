"""jobsvalkey beside its peers: prints a table. Fails where a queue did not run all its jobs, never for a time."""

from pathlib import Path

import pytest

from jobsvalkey.cli.output import console, print_table
from tests.benchmarks.peers.all import PEERS, versions
from tests.benchmarks.peers.comparison import Figures, compare
from tests.support.servers import ServerOptions, local_kind

ROUNDS = 5
RATES = ("push, jobs/s", "bulk push, jobs/s", "drain, jobs/s")
LATENCIES = ("push to start, median ms", "p95 ms")


@pytest.mark.timeout(3600)
def test_peers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installed = versions()
    with capsys.disabled(), local_kind().make(ServerOptions()) as server:
        with console(stderr=True).status("") as status:
            # The scheme that all of them know.
            url = server.url.replace("valkey://", "redis://", 1)
            found = compare(url, list(installed), ROUNDS, tmp_path, status.update)
        print_lines(found, installed, f"{server.kind}, {server.version}")
    assert {name: figures.failure for name, figures in found.items() if figures.failure} == {}


def print_lines(found: dict[str, Figures], installed: dict[str, str], server: str) -> None:
    """What was measured, each with its ratio to ours; and of what, on which settings."""
    ours = found[PEERS[0].name]
    columns = ["", *(part for rate in RATES for part in (rate, "ratio")), LATENCIES[0], "ratio", LATENCIES[1]]
    print_table(columns, [[name, *_cells(figures, ours)] for name, figures in found.items()], right=columns[1:])
    rows = [(peer.name, installed[peer.name], peer.bulk, peer.worker) for peer in PEERS]
    print_table((f"on {server}", "versions", "bulk push", "worker"), rows)


def _cells(figures: Figures, ours: Figures) -> list[str]:
    if figures.failure is not None:
        return [f"failed: {figures.failure}"]
    cells: list[str] = []
    for number, rate in enumerate(figures.rates()):
        cells += [f"{rate:,.0f}", "" if ours.failure else f"{rate / ours.rates()[number]:.2f}"]
    median, p95 = figures.latency()
    return [*cells, f"{median:.2f}", "" if ours.failure else f"{median / ours.latency()[0]:.2f}", f"{p95:.2f}"]
