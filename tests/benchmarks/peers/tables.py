"""The tables of a comparison, in Markdown."""

from collections.abc import Iterable, Sequence
from typing import Final

from tests.benchmarks.peers.all import MODULES
from tests.benchmarks.peers.columns import COLUMNS
from tests.benchmarks.peers.record import Record, median, percentile
from tests.benchmarks.peers.situations import SITUATIONS

RATES: Final = ("push", "bulk", "drain_16", "drain_100")
OTHER_RATES: Final = (
    *("push_thread", "push_threads", "push_uvloop", "drain_uvloop"),
    *("drain_2_processes", "drain_4_processes"),
)
STARTS: Final = ("help", "first_claim")
OURS: Final = next(iter(MODULES))


def speeds(record: Record) -> str:
    """How fast each queue is, with its ratio to the first of them."""
    rows = list[list[str]]()
    rates = _of(record, RATES)
    for peer in _peers(record, (*RATES, "start")):
        cells = [named(record, peer), *_rates(record, peer, rates)]
        if "start" in record.samples:
            waits, of_ours = (percentile(record.samples, "start", name, 50) for name in (peer, OURS))
            cells += [_number(waits and waits * 1000, 2), _number(waits / of_ours if waits and of_ours else None, 2)]
            late = percentile(record.samples, "start", peer, 95)
            cells.append(_number(late and late * 1000, 2))
        rows.append(cells)
    latency = ["push to start, median ms", "ratio", "p95 ms"] if "start" in record.samples else []
    return _table(["", *_titles(rates), *latency], rows)


def others(record: Record) -> str:
    """The same for pushes of threads, for another event loop, and for several worker processes."""
    rates = _of(record, OTHER_RATES)
    rows = [[named(record, peer), *_rates(record, peer, rates)] for peer in _peers(record, rates)]
    return _table(["", *_titles(rates)], rows)


def starts(record: Record) -> str:
    """How long it takes to show the help of the command line, and a worker to start its first job."""
    columns = _of(record, STARTS)
    rows = [
        [
            named(record, peer),
            *(_number(percentile(record.samples, column, peer, 50), 2) for column in columns),
        ]
        for peer in _peers(record, columns)
    ]
    heads = {"help": "`--help`, s", "first_claim": "a worker, to its first job, s"}
    return _table(["", *(heads[column] for column in columns)], rows)


def costs(record: Record) -> str:
    """What a job costs the server: processor time, commands and bytes of its push, and of its run."""
    parts = _of(record, ("push", "bulk", "drain_16", "drain_100"))
    head = [f"{COLUMNS[column].title}, {what}" for column in parts for what in ("µs", "commands", "bytes")]
    rows = [
        [
            named(record, peer),
            *(
                _number(median(record.samples, column, peer, figure), digits)
                for column in parts
                for figure, digits in (("server_us", 1), ("commands", 1), ("bytes", 0))
            ),
        ]
        for peer in _peers(record, parts)
    ]
    return _table(["", *head], rows)


def situations(record: Record) -> str:
    """What features cost that are used, what many jobs and workers do: rates, and the server's time for a job."""
    first, rows = next(iter(SITUATIONS)), list[list[str]]()
    for name in SITUATIONS:
        if name not in record.samples.get("situation", {}):
            continue
        cells = [name]
        for figure, digits in (("push_rate", 0), ("rate", 0), ("push_server_us", 1), ("server_us", 1)):
            found, plain = (median(record.samples, "situation", each, figure) for each in (name, first))
            cells += [_number(found, digits), _number(found / plain if found and plain else None, 2)]
        rows.append(cells)
    titles = ("bulk push, jobs/s", "drain, jobs/s", "push, µs of the server", "run, µs of the server")
    return _table(["", *(cell for title in titles for cell in (title, "ratio"))], rows)


def named(record: Record, peer: str) -> str:
    """Return the name and the release of a queue."""
    return f"{peer} {record.versions[peer].partition(',')[0].rpartition(' ')[2]}"


def _of(record: Record, columns: Iterable[str]) -> list[str]:
    return [column for column in columns if column in record.samples]


def _titles(columns: Sequence[str]) -> list[str]:
    return [cell for column in columns for cell in (f"{COLUMNS[column].title}, jobs/s", "ratio")]


def _rates(record: Record, peer: str, columns: Sequence[str]) -> list[str]:
    cells = list[str]()
    for column in columns:
        rate, of_ours = (median(record.samples, column, name, "rate") for name in (peer, OURS))
        cells += [_number(rate, 0), _number(rate / of_ours if rate and of_ours else None, 2)]
    return cells


def _peers(record: Record, columns: Iterable[str]) -> list[str]:
    measured = {peer for column in columns for peer in record.samples.get(column, ())}
    return [peer for peer in MODULES if peer in measured]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
