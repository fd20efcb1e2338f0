"""Bugs of the twin, of the worked example and of Python that were planted once more, and that no area killed then."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from msgspec.structs import replace

from docs.drivers.sqlite_driver import EPOCH, SQLiteJobQueue
from jobsvalkey.contract import (
    EXPIRED,
    PARENT_FAILED,
    JobStatus,
    LaneLimit,
    NewJob,
    Operation,
    Pushed,
    StoredJob,
    WorkerID,
)
from jobsvalkey.valkey import exchanges, waiting
from jobsvalkey_memory.lanes import Lanes
from tests.mutants.cold import enter_sqlite, patched
from tests.mutants.mutant import Twin, mutant

# -- the twin


@mutant("test_results_the_policy_of_its_state_counts")
class KeepsByThePolicyOfTheCompleted(Twin):
    """How long a job with `keep_for` is kept follows the policy of completed jobs, however it ended."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(job, status, now, keep=keep)
        if job.keep_for is None or keep or job.job_id not in self.state.jobs:
            return
        age = self._retention(JobStatus.COMPLETED).max_age
        self.state.until[job.job_id] = now + max(job.keep_for, age or timedelta(0))


@mutant("test_rates_claims_without_a_rate_do_not_count[concurrency]")
class CountsTheClaimsOfEachLimit(Twin):
    """Claims of a lane that has any limit count for a rate that it is given later."""

    def now(self) -> Any:
        lanes = self.state.lanes
        lanes.served = lambda job, now: self._served(job, now)
        return super().now()

    def _served(self, job: StoredJob, now: datetime) -> None:
        lanes = self.state.lanes
        Lanes.served(lanes, job, now)
        match lanes.limit(job.lane or ""):
            case LaneLimit(rate=None):
                lane = job.lane or ""
                lanes.begun[lane] = deque([*lanes.begun.get(lane, ()), now], maxlen=1000)
            case _:
                pass


@mutant("test_pausing_nothing_is_due_meanwhile[lane]")
class LanesAreDueWhilePaused(Twin):
    """`until_next` of a paused queue leaves out the jobs without a lane only: workers ask again and again."""

    def _until_next(self, now: datetime) -> float | None:
        times = [max(0.0, (time - now).total_seconds()) for time in self.state.lanes.claimable()]
        return min((time for time in (super()._until_next(now), *times) if time is not None), default=None)


@mutant("test_back_a_child_is_told_of_its_parents[rerun]")
class ARerunForgetsTheParents(Twin):
    """A child that is rerun waits for nothing, and is told nothing of its parents either."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        self.state.inputs.pop(job.job_id, None)
        super()._rerun(job, now)


@mutant("test_same_push_a_parent_stands_for_the_first[name]")
class ADuplicateOfOnePushIsNoParent(Twin):
    """A parent that comes in the same push, and is a duplicate of a job there, is taken for one that has gone."""

    def _held(self, items: Sequence[NewJob], now: datetime) -> tuple[Sequence[Pushed], Sequence[NewJob]]:
        refused, held = super()._held(items, now)
        given = {item.job_id for item in items}
        return refused, [
            replace(each, after=tuple(parent for parent in each.after if parent in item.after or parent not in given))
            for item, each in zip(items, held, strict=False)
        ]


@mutant("test_precision_any_microsecond[15]")
class TimesAreFloats(Twin):
    """Due times are seconds in a float on their way to microseconds: from 2038 on some lose one."""

    def _enter(self, job: StoredJob) -> None:
        if job.due is not None:
            job = replace(job, due=EPOCH + timedelta(microseconds=int(job.due.timestamp() * 1_000_000)))
        super()._enter(job)


@mutant("test_rates_a_lane_that_need_not_wait_any_more[none]")
class LinesWaitForTheFormerRate(Twin):
    """The lines of a lane whose limit is removed keep the turns that the rate has given them."""

    async def set_lane_limit(
        self, pattern: str, limit: LaneLimit | None, *, operation: Operation | None = None
    ) -> None:
        turns = dict(self.state.lanes.turns)
        await super().set_lane_limit(pattern, limit, operation=operation)
        if limit is None:
            self.state.lanes.turns.update(turns)


@mutant("test_expired_or_doomed[doomed]")
class TheDoomedHaveExpired(Twin):
    """A doomed job that has an expiry ends as one that has expired."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        if job.error == PARENT_FAILED and job.expires is not None:
            job = replace(job, error=EXPIRED)
        super()._end_job(job, status, now, keep=keep)


# -- the Valkey driver's Python

WAIT: Any = waiting.Waiter.wait


async def wait_beside(waiter: waiting.Waiter, worker: WorkerID, timeout: float, *, work: bool = True) -> None:
    """Wait, for work as well if somebody else does."""
    await WAIT(waiter, worker, timeout, work=work or bool(cast(Any, waiter)._waiting))


patched(
    "FullWorkersTakeHintsBesideOthers",
    "`waiting.py`: a worker that has no use for work takes hints of it if another one of its driver waits for them.",
    "test_sharing_a_full_worker_leaves_hints_to_others",
    waiting.Waiter,
    "wait",
    wait_beside,
    __name__,
)


def rest_once(exchanges_of: Any, _: float) -> None:
    """Close the connection, if nothing is under way."""
    exchanges_of._channel.rest()


patched(
    "BusyWorkersStayConnected",
    "`exchanges.py`: the connection of a worker whose lock runs out while an exchange is on its way stays open.",
    "test_connection_of_a_worker_that_left_late",
    exchanges.ExchangeChannel,
    "_rest",
    rest_once,
    __name__,
)

# -- the example for SQLite


class KeptOnesCount(SQLiteJobQueue):
    """Failures that are kept stay, and take the places that the policy has for others."""

    def _drop(self, state: JobStatus, now: int, which: str, *values: object) -> None:
        if which.startswith("id IN"):
            which = f"NOT kept AND {which.replace('AND NOT kept ', '')}"
        super()._drop(state, now, which, *values)


enter_sqlite(KeptOnesCount, "test_exact_what_was_kept_is_there[2]", __name__)


class ForgetsTheDeadOfADay(SQLiteJobQueue):
    """A worker that has been dead for a day is forgotten, also if it holds claims that no recovery has taken yet."""

    def _do(self, statement: str, *values: object) -> int:
        return super()._do(statement.partition(" AND id NOT IN (SELECT worker")[0], *values)


enter_sqlite(ForgetsTheDeadOfADay, "test_size_a_recovery_takes_a_part[25]", __name__)


class TakesAValueForItsLock(SQLiteJobQueue):
    """A repeat of `acquire_lock` takes a value that reads like the holder for the lock."""

    def _one(self, query: str, *values: object) -> Any:
        if query.startswith("SELECT true FROM metadata"):
            query = query.replace("expires > ?", "(expires IS NULL OR expires > ?)")
        return super()._one(query, *values)


enter_sqlite(TakesAValueForItsLock, "test_repeat_a_lock_whose_key_has_a_value_by_now[one]", __name__)
