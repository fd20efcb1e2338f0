"""The measures of `bench`, each with what it is compared to and its goal."""

import statistics
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobsvalkey.cli.benchmarks import idle, rates, several, starting
from jobsvalkey.cli.benchmarks.growth import full_queue
from jobsvalkey.cli.benchmarks.store import Store, open_store
from jobsvalkey.cli.benchmarks.verdict import verdict, verdict_on_growth
from jobsvalkey.cli.benchmarks.watch import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A rate, and what it is held against."""

    name: str
    run: Callable[[Store], Awaitable[Rate]]
    goals: tuple[tuple[str, float | None], ...] = ()
    """(name of another measure, how many times its rate this one should reach; `None` if only the ratio is shown)."""
    kind: str = ""
    """Its kind, `push` or `drain`, if a verdict says what bounds it."""
    processes: int = 1
    """How many share the client's part of it."""


UNIT = "SET one by one (bare client)"
ONE_BY_ONE = "push one by one"
MANY = "push_many"
LOOP = "bare loop: exchange, a task per job"
DRAIN = "drain, 100 workers"
MEASURES = (
    Measure(name=UNIT, run=rates.bare_set),
    Measure(name=ONE_BY_ONE, run=rates.push_one_by_one, goals=((UNIT, 0.5),), kind="push"),
    Measure(name="push from a thread", run=rates.push_from_thread, goals=((ONE_BY_ONE, None),)),
    Measure(name="push from 8 threads", run=rates.push_from_threads, goals=((ONE_BY_ONE, None),)),
    Measure(name="3,000 pushes at once", run=rates.push_at_once, goals=((UNIT, 3.0),)),
    Measure(name=MANY, run=rates.push_many, goals=((UNIT, 8.0),), kind="push"),
    Measure(name=LOOP, run=rates.bare_loop),
    Measure(name=DRAIN, run=rates.drain, goals=((UNIT, 3.0), (LOOP, 0.6)), kind="drain"),
    Measure(name="drain, 16 workers", run=rates.drain_of_few, goals=((DRAIN, 0.6),)),
    Measure(name="drain, results are kept", run=rates.drain_with_results, goals=((DRAIN, None),)),
    Measure(name="drain, 100 lanes", run=rates.drain_of_lanes, goals=((DRAIN, None),)),
)
MORE = (
    Measure(name="drain, 2 processes", run=several.drain_of_two, goals=((DRAIN, 1.0),), kind="drain", processes=2),
    Measure(name="drain, 4 processes", run=several.drain_of_four, goals=((DRAIN, 1.0),), kind="drain", processes=4),
    Measure(name="drain, jobs are retained", run=rates.drain_of_retained, goals=((DRAIN, 0.7),)),
    Measure(name="drain, unique names", run=rates.drain_of_unique, goals=((DRAIN, None),)),
    Measure(name="drain, flows of pairs", run=rates.drain_of_pairs, goals=((DRAIN, None),)),
)
"""Those that `--all` adds."""
PING = "PING after a rest, median"
MEDIAN_LATENCY = 2.0
"""Milliseconds."""
LATENCY_IN_PINGS = 4.0
HELP = 0.25
"""Seconds."""
FIRST_JOB = 0.6
"""Seconds."""
IDLE_COMMANDS = 2.0
"""Per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One line of the result."""

    name: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    """`None` if there is no goal."""
    client_us: float | None = None
    """Of a rate: what each of its jobs has cost this process, in microseconds of processor time."""
    server_us: float | None = None
    """The same for the server, if it tells."""
    commands: float | None = None
    """How many commands each of its jobs was for the server, those of scripts included."""
    bytes: float | None = None
    """How many bytes each has sent and received."""
    verdict: str = ""
    """A sentence about what bounds it."""


async def measure(
    url: str,
    rounds: int,
    progress: Callable[[str], None] = lambda _: None,
    *,
    more: bool = False,
    beside: int = 0,
) -> list[Measurement]:
    """Measure everything, in rounds, so that what disturbs the machine disturbs all alike; the medians.

    Args:
        url: where the server is.
        rounds: how many there are.
        progress: is told what is measured.
        more: whether what takes longer is measured as well.
        beside: beside how many jobs pushes and drains are measured once more; 0 for not at all.
    """
    beside_push, beside_drain, allocator = f"push_many beside {beside:,} jobs", f"drain beside {beside:,} jobs", ""
    measures = [*MEASURES, *(MORE if more else ())]
    found: dict[str, list[Rate]] = {each.name: [] for each in measures}
    waits, pings, helps, starts = list[float](), list[float](), list[float](), list[float]()
    async with open_store(url) as store:
        for number in range(1, rounds + 1):
            for each in measures:
                progress(f"round {number} of {rounds}: {each.name}")
                found[each.name].append(await each.run(store))
            progress(f"round {number} of {rounds}: latency")
            pings += await idle.pings(store)
            waits += await idle.latencies(store)
            progress(f"round {number} of {rounds}: starts")
            helps.append(await starting.help_of_command())
            starts.append(await starting.first_job(store))
        progress("an idle worker")
        commands, writes = await idle.idle_cost(store)
        if beside:
            async with full_queue(store, beside, progress) as queue:
                full = (
                    Measure(name=beside_push, run=queue.push, goals=((MANY, None),), kind="push"),
                    Measure(name=beside_drain, run=queue.drain, goals=((DRAIN, 0.8),), kind="drain"),
                )
                for number in range(1, rounds + 1):
                    for each in full:
                        progress(f"round {number} of {rounds}: {each.name}")
                        found.setdefault(each.name, []).append(await each.run(store))
            measures += full
            allocator = await store.allocator()
    medians = {name: _median(of_rounds) for name, of_rounds in found.items()}
    lines = [line for each in measures for line in _lines(each, medians)]
    if beside:
        said = verdict_on_growth(beside, medians[DRAIN], medians[beside_drain], allocator)
        lines[-1] = replace(lines[-1], verdict=f"{lines[-1].verdict} {said}")
    ping = statistics.median(pings) * 1000
    median, p95 = (statistics.quantiles(waits, n=20)[index] * 1000 for index in (9, 18))
    latency = "push to start, idle worker, median"
    lines += [
        Measurement(name=PING, value=ping, unit=" ms"),
        _at_most(latency, median, " ms", MEDIAN_LATENCY),
        Measurement(
            name=latency,
            value=median,
            unit=" ms",
            against=PING,
            ratio=median / ping,
            goal=f"≤ {LATENCY_IN_PINGS:g}",
            met=median / ping <= LATENCY_IN_PINGS,
        ),
        Measurement(name="push to start, idle worker, p95", value=p95, unit=" ms"),
        _at_most("jobsvalkey --help", statistics.median(helps), " s", HELP),
        _at_most("start of a worker, to its first job", statistics.median(starts), " s", FIRST_JOB),
        _at_most("idle worker, commands received", commands, "/s", IDLE_COMMANDS),
        _at_most("idle worker, writes", writes, "/s", 0),
    ]
    return lines


def _median(found: Sequence[Rate]) -> Rate:
    def of_those_told(figures: Iterable[float | None]) -> float | None:
        told = [figure for figure in figures if figure is not None]
        return statistics.median(told) if told else None

    return Rate(
        statistics.median(rate.per_second for rate in found),
        statistics.median(rate.client_us for rate in found),
        of_those_told(rate.server_us for rate in found),
        of_those_told(rate.commands for rate in found),
        of_those_told(rate.bytes for rate in found),
    )


def _lines(measure: Measure, medians: Mapping[str, Rate]) -> Iterator[Measurement]:
    """One for each that it is held against; costs and verdict are in the first."""
    rate = medians[measure.name]
    line = Measurement(name=measure.name, value=rate.per_second, unit="/s")
    first: dict[str, Any] = rate._asdict()
    del first["per_second"]
    if measure.kind:
        first["verdict"] = verdict(measure.name, measure.kind, rate, measure.processes)
    if not measure.goals:
        yield replace(line, **first)
    for against, goal in measure.goals:
        ratio = rate.per_second / medians[against].per_second
        met = None if goal is None else ratio >= goal
        yield replace(line, against=against, ratio=ratio, goal="" if goal is None else f"≥ {goal:g}", met=met, **first)
        first = {}


def _at_most(name: str, value: float, unit: str, goal: float) -> Measurement:
    return Measurement(name=name, value=value, unit=unit, goal=f"≤ {goal:g}", met=value <= goal)
