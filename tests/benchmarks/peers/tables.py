"""The tables of a comparison, in Markdown."""

from collections.abc import Iterable, Sequence

from tests.benchmarks.peers.all import MODULES
from tests.benchmarks.peers.columns import COLUMNS
from tests.benchmarks.peers.record import Record, median, percentile

_RATES = ("push", "bulk", "drain_16", "drain_100", "drain_2_processes", "drain_4_processes")


def speeds(record: Record) -> str:
    """How fast each queue is, with its ratio to the first of them."""
    samples, rows = record.samples, list[list[str]]()
    rates = [column for column in _RATES if column in samples]
    ours = next(iter(MODULES))
    for peer in _peers(record):
        cells = [_name(record, peer)]
        for column in rates:
            rate, of_ours = median(samples, column, peer, "rate"), median(samples, column, ours, "rate")
            cells += [_number(rate, 0), _number(rate / of_ours if rate and of_ours else None, 2)]
        if "start" in samples:
            waits, of_ours = percentile(samples, "start", peer, 50), percentile(samples, "start", ours, 50)
            cells += [_number(waits and waits * 1000, 2), _number(waits / of_ours if waits and of_ours else None, 2)]
            last = percentile(samples, "start", peer, 99)
            cells.append(_number(last and last * 1000, 2))
        rows.append(cells)
    head = [cell for column in rates for cell in (f"{COLUMNS[column].title}, jobs/s", "ratio")]
    latency = ["push to start, median ms", "ratio", "p99 ms"] if "start" in samples else []
    return _table(["", *head, *latency], rows)


def costs(record: Record) -> str:
    """What a job costs the server: processor time, commands and bytes of its push, and of its run."""
    parts = [column for column in ("push", "bulk", "drain_16", "drain_100") if column in record.samples]
    head = [f"{COLUMNS[column].title}, {what}" for column in parts for what in ("µs", "commands", "bytes")]
    rows = [
        [
            _name(record, peer),
            *(
                _number(median(record.samples, column, peer, figure), digits)
                for column in parts
                for figure, digits in (("server_us", 1), ("commands", 1), ("bytes", 0))
            ),
        ]
        for peer in _peers(record)
    ]
    return _table(["", *head], rows)


def _peers(record: Record) -> list[str]:
    measured = {peer for column in record.samples.values() for peer in column}
    return [peer for peer in MODULES if peer in measured]


def _name(record: Record, peer: str) -> str:
    return f"{peer} {record.versions[peer].partition(',')[0].rpartition(' ')[2]}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
