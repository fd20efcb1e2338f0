"""What lies in the stores of our drivers, seen without them."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from jobsvalkey_conformance import (
    Observation,
    ObservedInput,
    ObservedJob,
    ObservedLine,
    ObservedName,
    ObservedWait,
)

from jobsvalkey.contract import JobID, JobStatus
from jobsvalkey.valkey.wire import from_microseconds
from jobsvalkey_memory.store import QueueState

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STATES = ("pending", "paused", "completed", "failed", "cancelled")
FIELDED = {
    "_pending": JobStatus.PENDING,
    "_laned": JobStatus.PENDING,
    "_paused": JobStatus.PAUSED,
    "_waiting": JobStatus.WAITING,
    "_kept": JobStatus.FAILED,
    "_kept_completed": JobStatus.COMPLETED,
    "_kept_cancelled": JobStatus.CANCELLED,
}
"""The lists that Swift does not know."""
OF_A_JOB = re.compile(r"/([0-9A-F-]{36})(?:\.metadata)?|\.metadata\._(?:job|children|members)\.([0-9A-F-]{36})")
"""The keys that belong to one job, behind the queue's key."""


def observed_store(state: QueueState) -> Observation:
    """The contents of the twin's store."""
    kinds = (*state.lines.items(), *state.kept_lines.items(), *((JobStatus.PENDING, line) for line in state.pending))
    lines = {job_id: status for status, line in kinds for _, job_id in line}
    held_by: dict[JobID, set[JobID]] = {}
    for parent, children in state.children.items():
        for child in children:
            held_by.setdefault(child, set()).add(parent)
    waiting = {job_id for job_id, status in lines.items() if status is JobStatus.WAITING}
    held = waiting | held_by.keys() | state.doomed.keys() | state.open_batches | state.members.keys()
    told: dict[tuple[JobID, bytes], list[JobID]] = {}
    for child, inputs in state.inputs.items():
        for each in inputs:
            if each.result is not None:
                told.setdefault((each.job_id, each.result), []).append(child)
    return Observation(
        {
            job_id: ObservedJob(frozenset({status}), state.jobs[job_id].request is not None)
            for job_id, status in lines.items()
        },
        {worker: frozenset(each.claims.values()) for worker, each in state.workers.items()},
        {key: ObservedName(*name) for key, name in state.names.items()},
        {job_id: time for time, job_id in state.ends_at},
        {
            name: ObservedLine(
                frozenset(job_id for _, job_id in line), state.lanes.turns[name], state.lanes.room(name[1]) > 0
            )
            for name, line in state.lanes.lines.items()
            if line
        },
        {
            job_id: ObservedWait(
                frozenset(held_by.get(job_id, ())),
                job_id in state.doomed,
                job_id in state.open_batches,
                dict(state.members.get(job_id, {})),
            )
            for job_id in held
        },
        [
            ObservedInput(parent, result, frozenset(children), len(children))
            for (parent, result), children in told.items()
        ],
        frozenset(map(str, (state.kept | state.until.keys() | state.saved.keys() | state.broken) - lines.keys())),
        {lane: frozenset(slots) for lane, slots in state.lanes.slots.items()},
        {lane: list(begun) for lane, begun in state.lanes.begun.items()},
    )


async def observed_keys(client: Any, queue_key: str) -> Observation:
    """The contents of the Valkey driver's keys."""
    meta = f"{queue_key}.metadata"
    found = [key.decode() async for key in client.scan_iter(match=f"{queue_key}[./]*", count=1000)]
    states: dict[JobID, set[JobStatus]] = {}
    for state in STATES:
        for job_id in await client.zrange(f"{queue_key}.{state}", 0, -1):
            states.setdefault(JobID.parse(job_id), set()).add(JobStatus(state))
    for name, status in FIELDED.items():
        for job_id in await client.zrange(f"{meta}.{name}", 0, -1):
            states.setdefault(JobID.parse(job_id), set()).add(status)
    for job_id in await client.hkeys(f"{meta}._claimed"):
        states.setdefault(JobID.parse(job_id), set()).add(JobStatus.PROCESSING)
    claims = {
        worker: frozenset(JobID.parse(job_id) for job_id in await client.smembers(f"{meta}._claims.{worker}"))
        for worker in _named(found, f"{meta}._claims.")
    }
    owned: dict[JobID, set[str]] = {}
    for key in found:
        if match := OF_A_JOB.fullmatch(key, len(queue_key)):
            owned.setdefault(JobID(match[1] or match[2]), set()).add(key)
    present = [*(states.keys() | owned.keys())]
    types = await _each(client, "type", [f"{queue_key}/{job_id}" for job_id in present])
    jobs = {
        job_id: ObservedJob(frozenset(states.get(job_id, ())), kind == b"string")
        for job_id, kind in zip(present, types, strict=True)
    }
    ends = await client.zrange(f"{meta}._ends_at", 0, -1, withscores=True)
    fielded = _named(found, f"{meta}._job.")
    hashes = await _each(client, "hgetall", [f"{meta}._job.{job_id}" for job_id in fielded])
    fields: Fields = dict(zip(fielded, hashes, strict=True))
    return Observation(
        jobs,
        claims,
        await observed_names(client, meta),
        {JobID.parse(job_id): EPOCH + timedelta(microseconds=score) for job_id, score in ends},
        await observed_lines(client, meta, found),
        await _observed_waits(client, meta, found, fields),
        await _observed_inputs(client, meta, found, fields),
        frozenset(key for job_id, keys in owned.items() if not states.get(job_id) for key in keys),
        await observed_slots(client, meta, found),
        {
            lane: [
                EPOCH + timedelta(microseconds=int(time)) for time in await client.lrange(f"{meta}._rate.{lane}", 0, -1)
            ]
            for lane in _named(found, f"{meta}._rate.")
        },
    )


async def _each(client: Any, command: str, keys: Iterable[str]) -> list[Any]:
    """The answers of a command for each key: many keys are asked for at once."""
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        getattr(pipeline, command)(key)
    return await pipeline.execute()


def _named(found: Iterable[str], prefix: str) -> list[str]:
    return [key.removeprefix(prefix) for key in found if key.startswith(prefix)]


Fields = Mapping[str, Mapping[bytes, bytes]]


async def _observed_waits(client: Any, meta: str, found: list[str], fields: Fields) -> dict[JobID, ObservedWait]:
    held_by: dict[str, set[JobID]] = {
        job_id.decode(): set() for job_id in await client.zrange(f"{meta}._waiting", 0, -1)
    }
    parents = _named(found, f"{meta}._children.")
    children = await _each(client, "smembers", [f"{meta}._children.{parent}" for parent in parents])
    for parent, held_ones in zip(parents, children, strict=True):
        for child in held_ones:
            held_by.setdefault(child.decode(), set()).add(JobID(parent))
    callbacks = _named(found, f"{meta}._members.")
    counted = await _each(client, "hgetall", [f"{meta}._members.{callback}" for callback in callbacks])
    members: Fields = dict(zip(callbacks, counted, strict=True))
    noted = {job_id for job_id, held in fields.items() if held.keys() & {b"holds", b"doomed", b"open"}}
    waits: dict[JobID, ObservedWait] = {}
    for job_id in held_by.keys() | members.keys() | noted:
        held = fields.get(job_id, {})
        waits[JobID(job_id)] = ObservedWait(
            frozenset(held_by.get(job_id, ())),
            held.get(b"doomed") == b"1",
            held.get(b"open") == b"1",
            {
                JobID.parse(member): None if state == b"-" else JobStatus(state.decode())
                for member, state in members.get(job_id, {}).items()
            },
            int(held.get(b"holds", 0)),
        )
    return waits


async def _observed_inputs(client: Any, meta: str, found: list[str], fields: Fields) -> list[ObservedInput]:
    children: dict[str, set[JobID]] = {}
    for job_id, held in fields.items():
        for name, value in held.items():
            if name.startswith(b"p.") and b" " in value:
                result = f"{name[2:].decode()}.{value.split()[1].decode()}"
                children.setdefault(result, set()).add(JobID(job_id))
    inputs: list[ObservedInput] = []
    for result in _named(found, f"{meta}._input."):
        kept = await client.hgetall(f"{meta}._input.{result}")
        inputs.append(
            ObservedInput(
                JobID(result.partition(".")[0]),
                kept[b"result"],
                frozenset(children.pop(result, ())),
                int(kept[b"references"]),
            )
        )
    assert not children, f"{children} are told of results that are not there"
    return inputs


async def observed_lines(client: Any, prefix: str, found: list[str]) -> dict[tuple[int, str], ObservedLine]:
    """The lines with their turns; their jobs are those of the list by due time, and have the same scores there."""
    lines: dict[tuple[int, str], ObservedLine] = {}
    laned: dict[bytes, float] = {}
    priorities = {int(priority) for priority in await client.zrange(f"{prefix}._priorities", 0, -1)}
    turns: dict[tuple[int, str], tuple[datetime, bool]] = {}
    for priority in priorities:
        offers = await client.zrange(f"{prefix}._offers.{priority}", 0, -1, withscores=True)
        assert offers, f"priority {priority} has no offers"
        for lane, place in offers:  # one below zero is held back
            turn = timedelta(microseconds=place if place >= 0 else -1 - place)
            turns[priority, lane.decode()] = EPOCH + turn, place >= 0
    start = f"{prefix}._line."
    for name in _named(found, start):
        priority, _, lane = name.partition(".")
        jobs = dict(await client.zrange(f"{start}{name}", 0, -1, withscores=True))
        laned |= jobs
        lines[int(priority), lane] = ObservedLine(
            frozenset(JobID.parse(job_id) for job_id in jobs), *turns.pop((int(priority), lane))
        )
    assert not turns, f"{turns} are turns of lines without jobs"
    listed = dict(await client.zrange(f"{prefix}._laned", 0, -1, withscores=True))
    assert listed == laned, f"the lines have {laned}, and the list by due time {listed}"
    slots = await observed_slots(client, prefix, found) or {}
    names = {name.decode() for name in await client.zrange(f"{prefix}._lanes", 0, -1)}
    expected = {f"{lane}*{priority}" for priority, lane in lines if lane} | {f"{lane}*" for lane in slots}
    assert names == expected, f"the lanes are {expected}, and listed are {names}"
    return lines


async def observed_slots(client: Any, prefix: str, found: list[str]) -> dict[str, frozenset[JobID]] | None:
    """The claims of each lane, once the queue has had a limit."""
    if b"c" not in (await client.get(f"{prefix}._layout") or b""):
        return None
    assert not await client.exists(f"{prefix}._sweeps"), "lines are still to be looked at"
    start = f"{prefix}._slots."
    held = {lane: await client.smembers(f"{start}{lane}") for lane in _named(found, start)}
    return {lane: frozenset(map(JobID.parse, ids)) for lane, ids in held.items()}


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
