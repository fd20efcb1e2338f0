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


def verdict(name: str, kind: str, rate: Rate) -> str:
    """Say where the time of one job goes, and what bounds the rate."""
    took = 1e6 / rate.per_second
    if rate.server_us is None:
        return f"{name}: {took:.1f} µs each, of which Python {rate.client_us:.1f}; the server does not tell its part."
    # Threads, and a server that works meanwhile, may have more than the time that goes by.
    parts = {"Python": rate.client_us, "the server": rate.server_us}
    parts["the way"] = max(0.0, took - sum(parts.values()))
    most = max(parts, key=lambda part: parts[part])
    bound = "the network, and waking up," if most == "the way" else most
    return (
        f"{name}: {took:.1f} µs each, of which Python {parts['Python']:.1f}, the server {parts['the server']:.1f}, "
        f"the network and waking up {parts['the way']:.1f}. So {bound} bounds it; {ADVICE[kind][most]}."
    )
