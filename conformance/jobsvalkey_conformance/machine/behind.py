"""The back door of the machine: what lies in the store after a step, beside what the twin has."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobsvalkey.contract import FINISHED, JobID, JobStatus, StoredJob, WorkerID
from jobsvalkey_conformance.harness import (
    Observation,
    ObservedInput,
    ObservedLine,
    ObservedName,
    ObservedWait,
)
from jobsvalkey_memory.store import QueueState


def same(what: str, tested: object, twin: object) -> None:
    """Fail if the driver's answer is not the twin's."""
    if tested != twin:
        ours, theirs = _without_the_same(tested, twin)
        raise AssertionError(f"{what}: the driver says {ours!r}, the twin {theirs!r}")


def _without_the_same(tested: Any, twin: Any) -> tuple[Any, Any]:
    """Leave out of two large answers what is the same, which makes them easier to read."""
    pairs: list[tuple[Any, Any]] = [(tested, twin), (twin, tested)]
    if all(isinstance(each, dict) for each in (tested, twin)):
        ours, theirs = (
            {key: one[key] for key in one if key not in other or other[key] != one[key]} for one, other in pairs
        )
    elif all(isinstance(each, list) for each in (tested, twin)):
        ours, theirs = ([each for each in one if each not in other] for one, other in pairs)
    else:
        return tested, twin
    return (ours, theirs) if ours or theirs else (tested, twin)  # the order may be another one


def look_behind(
    observed: Observation, state: QueueState, present: Mapping[JobID, StoredJob], job_ids: Sequence[JobID]
) -> None:
    """Compare the store with that of the twin, and check what has to hold of it whatever the twin says.

    Of the jobs `present` are those that the twin shows.
    """
    claims: dict[WorkerID, set[JobID]] = {}
    for job_id in job_ids:
        job, found = present.get(job_id), observed.jobs.get(job_id)
        if job is None:
            left_over = found is None or found.states <= FINISHED
            assert left_over, f"job {job_id} is absent, but the store holds it as {found}"
            continue
        assert found is not None, f"job {job_id} is {job.status}, but it is not in the store"
        same(f"lists of job {job_id}", found.states, {job.status})
        same(f"whether the request of job {job_id} is there", found.has_request, job.request is not None)
        if job.worker is not None:
            claims.setdefault(job.worker, set()).add(job_id)
    same("claims by worker", {worker: set(held) for worker, held in observed.claims.items() if held}, claims)
    if observed.names is not None:
        _check_names(observed.names, state, job_ids)
    if observed.expiring is not None:
        same("what expires", observed.expiring, {job_id: time for time, job_id in state.ends_at})
    if observed.lines is not None:
        same("lines", dict(observed.lines), _lines_of(state))
    if observed.slots is not None:
        same(
            "claims of lanes with a rate",
            observed.begun,
            {lane: list(begun) for lane, begun in state.lanes.begun.items()},
        )
        same("slots", dict(observed.slots), {lane: frozenset(ids) for lane, ids in state.lanes.slots.items()})
    if observed.waits is not None:
        _check_waits(observed.waits, state)
    if observed.inputs is not None:
        _check_inputs(observed, observed.inputs, state, present)
    assert not observed.leftovers, f"of jobs that are gone the store has {sorted(observed.leftovers)}"


def _lines_of(state: QueueState) -> dict[tuple[int, str], ObservedLine]:
    lanes = state.lanes
    return {
        name: ObservedLine(frozenset(job_id for _, job_id in line), lanes.turns[name], lanes.room(name[1]) > 0)
        for name, line in lanes.lines.items()
        if line
    }


def _check_names(names: Mapping[str, ObservedName], state: QueueState, job_ids: Sequence[JobID]) -> None:
    now = state.time
    held = {key: name for key, name in names.items() if name.until is None or name.until > now}
    theirs = {key: ObservedName(*name) for key, name in state.names.items() if not name.until or name.until > now}
    same("unique names", held, theirs)
    unended = {job_id: job for job_id in job_ids if (job := state.jobs.get(job_id)) and job.ended_at is None}
    for key, name in held.items():
        holder = unended.get(name.holder)
        assert name.until or (holder and holder.unique and holder.unique.key == key), f"{key!r} is held by nobody"
    for job_id, job in unended.items():
        if job.unique and job.unique.until == "end":
            same(f"holder of {job.unique.key!r}", held.get(job.unique.key), ObservedName(job_id))


def _check_waits(waits: Mapping[JobID, ObservedWait], state: QueueState) -> None:
    """Compare the edges, from both of their ends: a job waits if it has holds left, and is not doomed."""
    waiting = {job_id: state.jobs[job_id] for _, job_id in state.lines[JobStatus.WAITING]}
    same("jobs that wait", set(waits), set(waiting))
    for job_id, wait in waits.items():
        job, members = waiting[job_id], state.members.get(job_id, {})
        parents = {parent for parent, children in state.children.items() if job_id in children}
        same(f"parents that hold job {job_id}", wait.parents, parents)
        same(f"whether job {job_id} is doomed", wait.is_doomed, job_id in state.doomed)
        same(f"whether the batch of job {job_id} is open", wait.is_open, job_id in state.open_batches)
        same(f"members of job {job_id}", dict(wait.members), members)
        unended = {parent for parent in job.after if (each := state.jobs.get(parent)) and each.ended_at is None}
        assert wait.parents <= unended, f"job {job_id} waits for {wait.parents - unended}, which tell it nothing"
        holds = len(wait.parents) + wait.is_open + [*wait.members.values()].count(None)
        assert holds or wait.is_doomed, f"job {job_id} waits, and nothing holds it"
        if wait.holds is not None and not wait.is_doomed:
            assert wait.holds == holds, f"{holds} hold job {job_id}, but the store counts {wait.holds}"


def _check_inputs(
    observed: Observation, inputs: Sequence[ObservedInput], state: QueueState, present: Mapping[JobID, StoredJob]
) -> None:
    """Compare the results that children are told of; each is there as long as a job refers to it, and no longer."""
    told: dict[JobID, dict[JobID, bytes]] = {}
    for each in inputs:
        where = f"the result {each.result!r} of job {each.parent}"
        assert each.children, f"{where} is there for nobody"
        assert each.references == len(each.children), f"{where} has {each.children}, but counts {each.references}"
        for child in each.children:
            is_there = child in observed.jobs and bool(observed.jobs[child].states)
            assert is_there, f"{where} is there for {child}, which is gone"
            told.setdefault(child, {})[each.parent] = each.result
    for job_id in present:
        theirs = {one.job_id: one.result for one in state.inputs.get(job_id, ()) if one.result is not None}
        same(f"results that job {job_id} is told of", told.get(job_id, {}), theirs)
