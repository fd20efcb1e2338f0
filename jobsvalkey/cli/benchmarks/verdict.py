"""A sentence about a rate: what bounds it, the network, the server or Python."""

from jobsvalkey.cli.benchmarks.watch import Rate

ADVICE = {
    "push": {
        "Python": "more processes push more",
        "the server": "push_many costs the server less for each job",
        "the way": "push_many, or many pushes at once, share round trips",
    },
    "drain": {
        "Python": "more worker processes run more: jobsvalkey worker --processes",
        "the server": "a queue in parts has several servers: PartitionedQueue",
        "the way": "more jobs at once share its round trips: num_workers",
    },
}
"""The help there is, by what is done and what bounds it."""

GROWTH = 1.25
"""How many times as much a job costs a server from where on its size counts."""


def verdict(name: str, kind: str, rate: Rate, processes: int = 1) -> str:
    """Say where the time of one job goes, and what bounds the rate, of one process or several."""
    took, client_us = 1e6 / rate.per_second, rate.client_us / processes
    if rate.server_us is None:
        return f"{name}: {took:.1f} µs each, of which Python {client_us:.1f}; the server does not tell its part."
    # Threads, and a server that works meanwhile, may have more than the time that goes by.
    parts = {"Python": client_us, "the server": rate.server_us}
    parts["the way"] = max(0.0, took - sum(parts.values()))
    most = max(parts, key=lambda part: parts[part])
    bound = "the network, and waking up," if most == "the way" else most
    return (
        f"{name}: {took:.1f} µs each, of which Python {parts['Python']:.1f}, the server {parts['the server']:.1f}, "
        f"the network and waking up {parts['the way']:.1f}. So {bound} bounds it; {ADVICE[kind][most]}."
    )


def verdict_on_growth(beside: int, plain: Rate, full: Rate, allocator: str) -> str:
    """Say what a job costs the server beside many others, and what helps if that is more.

    Args:
        beside: how many others there were.
        plain: what a drain has cost without them.
        full: what it has cost beside them.
        allocator: the name of what gives the server its memory; empty if it does not tell.
    """
    if not plain.server_us or full.server_us is None:
        return f"The server does not tell what a job costs it beside {beside:,} others."
    ratio = full.server_us / plain.server_us
    said = f"Beside {beside:,} jobs each costs the server {ratio:.2f} times as much as beside none"
    if ratio < GROWTH:
        return f"{said}: its size does not matter here."
    if allocator == "libc":
        return f"{said}; it allocates memory with libc, and one that is built with jemalloc takes less."
    return f"{said}: its data has outgrown the caches of its processor."
