"""The measures of `bench`, each with what it is compared to and its goal."""

import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from jobsvalkey.cli.benchmarks import rates
from jobsvalkey.cli.benchmarks.idle import idle_cost, latencies
from jobsvalkey.cli.benchmarks.store import Store, open_store


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A rate, and what it is held against."""

    name: str
    run: Callable[[Store], Awaitable[float]]
    goals: tuple[tuple[str, float], ...] = ()
    """(name of another measure, how many times its rate this one should reach)."""


UNIT = "SET one by one (bare client)"
LOOP = "bare loop: exchange, a task per job"
MEASURES = (
    Measure(name=UNIT, run=rates.bare_set),
    Measure(name="push one by one", run=rates.push_one_by_one, goals=((UNIT, 0.5),)),
    Measure(name="3,000 pushes at once", run=rates.push_at_once, goals=((UNIT, 3.0),)),
    Measure(name="push_many", run=rates.push_many, goals=((UNIT, 8.0),)),
    Measure(name=LOOP, run=rates.bare_loop),
    Measure(name="drain, 100 workers", run=rates.drain, goals=((UNIT, 3.0), (LOOP, 0.6))),
)
MEDIAN_LATENCY = 2.0
"""Milliseconds."""
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


async def measure(url: str, rounds: int, progress: Callable[[str], None] = lambda _: None) -> list[Measurement]:
    """Measure everything, in rounds, so that what disturbs the machine disturbs all alike; the medians."""
    found: dict[str, list[float]] = {each.name: [] for each in MEASURES}
    waits: list[float] = []
    async with open_store(url) as store:
        for number in range(1, rounds + 1):
            for each in MEASURES:
                progress(f"round {number} of {rounds}: {each.name}")
                found[each.name].append(await each.run(store))
            progress(f"round {number} of {rounds}: latency")
            waits += await latencies(store)
        progress("an idle worker")
        commands, writes = await idle_cost(store)
    medians = {name: statistics.median(values) for name, values in found.items()}
    lines: list[Measurement] = []
    for each in MEASURES:
        rate = medians[each.name]
        lines += [
            Measurement(
                name=each.name,
                value=rate,
                unit="/s",
                against=against,
                ratio=rate / medians[against],
                goal=f"≥ {goal:g}",
                met=rate / medians[against] >= goal,
            )
            for against, goal in each.goals
        ] or [Measurement(name=each.name, value=rate, unit="/s")]
    median, p95 = (statistics.quantiles(waits, n=20)[index] * 1000 for index in (9, 18))
    lines += [
        Measurement(
            name="push to start, idle worker, median",
            value=median,
            unit=" ms",
            goal=f"< {MEDIAN_LATENCY:g}",
            met=median < MEDIAN_LATENCY,
        ),
        Measurement(name="push to start, idle worker, p95", value=p95, unit=" ms"),
        Measurement(
            name="idle worker, commands received",
            value=commands,
            unit="/s",
            goal=f"≤ {IDLE_COMMANDS:g}",
            met=commands <= IDLE_COMMANDS,
        ),
        Measurement(name="idle worker, writes", value=writes, unit="/s", goal="0", met=writes == 0),
    ]
    return lines
