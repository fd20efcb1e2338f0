"""The checks of what a run must not have done: lose, double, or leave behind."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from jobsvalkey_conformance.history import checks as kit
from jobsvalkey_conformance.history.calls import CloseWorker, Exchange
from jobsvalkey_conformance.history.record import History

from jobsvalkey import JobID
from jobsvalkey.contract import Finish, SettleOutcome
from tests.chaos.crew import Crew

CHECKS: tuple[kit.Check, ...] = (
    *(kit.used_twice, kit.lost_or_unexpected, kit.settled_twice, kit.out_of_order, kit.overtaken),
    *(kit.unasked, kit.recovered_by_the_stalled, kit.torn_batches),
)
"""Those of the kit that need no clock of their own: an order in which the twin answers alike cannot be looked for."""


def violations(history: History) -> list[str]:
    """Everything that is wrong with a history, of a store that has lost nothing."""
    return [found for check in CHECKS for found in check(history)]


def doubled(history: History, crew: Crew) -> dict[JobID, str]:
    """The jobs that were run, or settled, more often than the contract allows, each with why."""
    return {job_id: why for check in (_after_the_end, _without_reason) for job_id, why in check(history)} | dict(
        _without_claim(history, crew)
    )


def _after_the_end(history: History) -> Iterator[tuple[JobID, str]]:
    """A job that was completed, and whose completion was acknowledged, is not claimed or completed again."""
    ended: dict[JobID, tuple[int, tuple[str, bytes]]] = {}
    for event, exchange in history.answered(Exchange):
        for settlement, outcome in zip(exchange.settlements, event.answer.outcomes, strict=True):
            if outcome is SettleOutcome.SETTLED and isinstance(settlement, Finish):
                at, claim = ended.setdefault(
                    settlement.job_id, (event.answered or 0, (exchange.worker, settlement.token))
                )
                if claim != (exchange.worker, settlement.token):
                    yield settlement.job_id, "it was completed under two claims"
                ended[settlement.job_id] = min(at, event.answered or 0), claim
    for event, _ in history.answered(Exchange):
        for claim in event.answer.claims:
            if claim.job_id in ended and ended[claim.job_id][0] < event.began:
                yield claim.job_id, "it was claimed after its completion was acknowledged"


def _without_reason(history: History) -> Iterator[tuple[JobID, str]]:
    """Each further claim of a job follows a retry, a release, the end of its worker, or a recovery, which counts."""
    claims: dict[JobID, set[tuple[str, bytes]]] = {}
    recoveries, returned = Counter[JobID](), Counter[JobID]()
    closed = {call.worker for _, call in history.of(CloseWorker)}
    for event, exchange in history.of(Exchange):
        returned.update({one.job_id for one in exchange.settlements if not isinstance(one, Finish)})
        for claim in event.answer.claims if event.answered is not None else ():
            claims.setdefault(claim.job_id, set()).add((exchange.worker, claim.token))
            recoveries[claim.job_id] += max(claim.recoveries - recoveries[claim.job_id], 0)
    for job_id, known in claims.items():
        left = sum(worker in closed for worker, _ in known)
        # A retry sets the number of recoveries to nought.
        recovered = recoveries[job_id] * (1 + returned[job_id])
        if len(known) > 1 + recovered + returned[job_id] + left:
            yield job_id, f"it was claimed {len(known)} times, and recovered {recoveries[job_id]} times"


def _without_claim(history: History, crew: Crew) -> Iterator[tuple[JobID, str]]:
    """A worker starts a job once for each claim that it was given."""
    given = Counter[tuple[str, JobID]]()
    seen = set[tuple[str, bytes]]()
    for event, exchange in history.answered(Exchange):
        for claim in event.answer.claims:
            if (exchange.worker, claim.token) not in seen:
                seen.add((exchange.worker, claim.token))
                given[event.client, claim.job_id] += 1
    started = Counter(
        (member.role.name, entry.value)
        for member in crew.members
        for entry in member.entries
        if entry.what == "started"
    )
    for (name, job_id), times in started.items():
        if times > given[name, job_id]:
            yield job_id, f"{name} has started it {times} times, and was given it {given[name, job_id]} times"


def orphans(history: History, crew: Crew) -> Iterator[int]:
    """For each claim of a process that was killed: nanoseconds from its death to the next claim of the job."""
    killed = {member.role.name: member.killed_at for member in crew.members}
    claims: dict[JobID, list[tuple[int, str]]] = {}
    for event, _ in history.answered(Exchange):
        for claim in event.answer.claims:
            claims.setdefault(claim.job_id, []).append((event.answered or 0, event.client))
    for held in claims.values():
        for (_, holder), (at, _) in pairwise(sorted(held)):
            died = killed[holder]
            if died is not None and died < at:
                yield at - died
