"""What lies in the Valkey driver's keys, seen without it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from jobsvalkey_conformance import ObservedLine, ObservedName

from jobsvalkey.contract import JobID
from jobsvalkey.valkey.wire import from_microseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def observed_lines(client: Any, prefix: str) -> dict[tuple[int, str], ObservedLine]:
    """The lines with their turns; their jobs are those of the list by due time, and have the same scores there."""
    lines: dict[tuple[int, str], ObservedLine] = {}
    laned: dict[bytes, float] = {}
    priorities = {int(priority) for priority in await client.zrange(f"{prefix}._priorities", 0, -1)}
    turns: dict[tuple[int, str], datetime] = {}
    for priority in priorities:
        offers = await client.zrange(f"{prefix}._offers.{priority}", 0, -1, withscores=True)
        assert offers, f"priority {priority} has no offers"
        turns |= {(priority, lane.decode()): EPOCH + timedelta(microseconds=turn) for lane, turn in offers}
    start = f"{prefix}._line."
    async for key in client.scan_iter(match=f"{start}*", count=1000):
        priority, _, lane = key.decode().removeprefix(start).partition(".")
        jobs = dict(await client.zrange(key, 0, -1, withscores=True))
        laned |= jobs
        lines[int(priority), lane] = ObservedLine(
            frozenset(JobID.parse(job_id) for job_id in jobs), turns.pop((int(priority), lane))
        )
    assert not turns, f"{turns} are turns of lines without jobs"
    listed = dict(await client.zrange(f"{prefix}._laned", 0, -1, withscores=True))
    assert listed == laned, f"the lines have {laned}, and the list by due time {listed}"
    return lines


async def observed_names(client: Any, prefix: str) -> dict[str, ObservedName]:
    """The unique names; those that are held for a time are in a list of their own, too."""
    names: dict[str, ObservedName] = {}
    timed = dict(await client.zrange(f"{prefix}._timed_names", 0, -1, withscores=True))
    for key, value in (await client.hgetall(f"{prefix}._names")).items():
        holder, *until = value.decode().split()
        assert [str(int(timed.pop(key)))] == until if until else key not in timed, f"{key} is {value}, {timed}"
        names[unquote(key.decode())] = ObservedName(JobID.parse(holder), *map(from_microseconds, value.split()[1:]))
    assert not timed, f"{timed} are names for a time that nobody holds"
    return names
