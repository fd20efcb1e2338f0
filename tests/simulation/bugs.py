"""The runtime with one bug each, which simulations have to find: lines of a function, replaced while it runs."""

import importlib
import inspect
import json
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from unittest.mock import patch

RUNTIME = "jobsvalkey.runtime"
MOST_SEEDS = 2000
"""Within so many seeds each bug is found."""
FOUND = Path(__file__).parent / "bugs.json"


def found_bugs() -> dict[str, dict[str, Any]]:
    """Within how many seeds each bug was found when it was last looked for."""
    return json.loads(FOUND.read_text()) if FOUND.exists() else {}


@dataclass(frozen=True)
class Bug:
    """Some lines of one function, and what stands in their place."""

    name: str
    module: str
    function: str
    """As `Class.method`."""
    changes: tuple[tuple[str, str], ...]

    @contextmanager
    def planted(self) -> Generator[None]:
        """Let the runtime have the bug within the block."""
        owner_name, _, name = self.function.rpartition(".")
        module = importlib.import_module(self.module)
        owner = getattr(module, owner_name) if owner_name else module
        with patch.object(owner, name, self._changed(module, getattr(owner, name))):
            yield

    def _changed(self, module: ModuleType, function: FunctionType) -> Any:
        source = textwrap.dedent(inspect.getsource(function))
        for old, new in self.changes:
            if source.count(old) != 1:
                raise LookupError(f"{self.module}.{self.function} has not {old!r}, once: mend the bug {self.name!r}")
            source = source.replace(old, new)
        made: dict[str, Any] = {}
        exec(compile(source, f"<{self.name}>", "exec"), module.__dict__, made)  # noqa: S102 - our own lines
        return made[function.__name__]


def _bug(name: str, module: str, function: str, *changes: tuple[str, str]) -> Bug:
    return Bug(name, module, function, changes)


QUEUE_RUN, IN_FLIGHT = f"{RUNTIME}.queue_run", f"{RUNTIME}.in_flight"
SCHEDULER = "jobsvalkey.scheduling.scheduler"

BUGS: tuple[Bug, ...] = (
    _bug(
        "the end of a handler wakes nobody",
        *(QUEUE_RUN, "QueueRun._ended"),
        ("if self._rest.sleeps:", "if False:"),
    ),
    _bug(
        "queues that share slots do not hear that one is free",
        *(f"{RUNTIME}.slots", "Slots.changed"),
        ("for share in self._shares:", "for share in self._shares[:1]:"),
    ),
    _bug(
        "a hint that comes when slots are kept is not passed on if they are taken",
        *(f"{RUNTIME}.slots", "Slots.changed"),
        ("elif is_full and share.rest.has_hint:", "elif False:"),
    ),
    _bug(
        "a worker that hears of work does not look",
        *(f"{RUNTIME}.rest", "Rest._await_hint"),
        ("self.has_hint = self.has_hint or self._loop.time() < until", "pass"),
    ),
    _bug(
        "whoever listens already is not woken for a job that comes due before",
        *(f"{RUNTIME}.rest", "Rest.sleep"),
        ("elif work and self._look_at < self._listens_until:", "elif False:"),
    ),
    _bug(
        "a worker that is full when a hint comes keeps it to itself",
        *(QUEUE_RUN, "QueueRun._claim_and_settle"),
        ("and self._rest.has_hint and", "and False and"),
    ),
    _bug(
        "the slot of a job whose claim is lost is not freed",
        *(IN_FLIGHT, "InFlight.end"),
        ("self.running -= 1", "self.running -= not run.claim_lost"),
    ),
    _bug(
        "the number of an exchange is used again",
        *(f"{RUNTIME}.workers", "Worker.exchange"),
        ("    self._sequence = sequence\n", ""),
    ),
    _bug(
        "the repeat of an exchange takes a new number",
        *(f"{RUNTIME}.workers", "Worker.exchange"),
        ("sequence = self._sequence + 1", "sequence, numbers = 0, iter(range(self._sequence + 1, 2**53))"),
        (
            "partial(self._driver.exchange,",
            "partial(lambda *a, **k: self._driver.exchange(a[0], next(numbers), *a[2:], **k),",
        ),
        ("self._sequence = sequence", "self._sequence = next(numbers)"),
    ),
    _bug(
        "a worker closes although handlers run",
        *(QUEUE_RUN, "QueueRun.leave"),
        ("if not self.jobs.running and working.result():", "if working.result():"),
    ),
    _bug(
        "a worker leaves before it has settled what ended last",
        *(QUEUE_RUN, "QueueRun._claim_and_settle"),
        ("or self.jobs.has_news:", "or (self.jobs.has_news and not self.access.leaving.is_set()):"),
    ),
    _bug(
        "a settlement that does not fit into an exchange is forgotten",
        *(IN_FLIGHT, "InFlight._take"),
        ("self.finished[number:]", "self.finished[max(number, 3) :]"),
        ("self.finished[:number]", "self.finished[: min(number, 2)]"),
    ),
    _bug(
        "the lock is renewed once",
        *(f"{RUNTIME}.lock", "LockKeeper.step"),
        ("return max(0.0, self._every - await self._renew())", "return await self._renew() * 0 or None"),
    ),
    _bug(
        "claims that came during a renewal count as lost",
        *(f"{RUNTIME}.lease", "Lease.renew"),
        ("self._lose(held.keys() - renewed.tokens)", "self._lose(self._jobs.held.keys() - renewed.tokens)"),
    ),
    _bug(
        "handlers go on when the store has forgotten their worker",
        *(f"{RUNTIME}.lease", "Lease.replace"),
        ("    self._lose(held)\n", ""),
    ),
    _bug(
        "an abort hits another job if its own has ended",
        *(IN_FLIGHT, "InFlight.abort"),
        ("self._held.get(token))", "self._held.get(token) or next(iter(self._held.values()), None))"),
    ),
    _bug(
        "an abort is heard by the first job alone",
        *(IN_FLIGHT, "InFlight.abort"),
        ("is not None and not run.aborted:", "is not None and run is next(iter(self._held.values())):"),
    ),
    _bug(
        "what is claimed is started, whether or not there is room",
        *(QUEUE_RUN, "QueueRun._start"),
        ("if len(claims) > room:", "if False:"),
    ),
    _bug(
        "two jobs run beside each other on their last chance",
        *(QUEUE_RUN, "QueueRun._start"),
        ("given_back = suspects if suspects and self._slots.has_suspect else suspects[1:]", "given_back = []"),
    ),
    _bug(
        "a shutdown counts as an attempt",
        *(f"{RUNTIME}.runner", "JobRunner._after_error"),
        (
            "return run.give_back(claim), JobOutcome.CANCELLED",
            "return _again(claim, request, attempt + 1, None), JobOutcome.CANCELLED",
        ),
    ),
    _bug(
        "what a handler saves is acknowledged before it is stored",
        *(f"{RUNTIME}.outbox", "WorkerOutbox._sent"),
        ("self._under_way.append(letter)", "letter.answered(SettleOutcome.SETTLED)"),
    ),
    _bug(
        "a second stop does not end the waiting for handlers",
        *(f"{RUNTIME}.worker_run", "WorkerRun.hurry"),
        ("    self._drained.set()\n", ""),
    ),
    _bug(
        "the tasks in the background outlive their worker",
        *(QUEUE_RUN, "QueueRun._work"),
        ("task.cancel()", "pass"),
    ),
    _bug(
        "a result is left out",
        *(f"{RUNTIME}.runner", "JobRunner._returned"),
        ("return Finish(claim.job_id, claim.token, result)", "return Finish(claim.job_id, claim.token)"),
    ),
    _bug(
        "a trigger is pushed whatever the store says of the last one",
        *(SCHEDULER, "Scheduler._push"),
        ("expected=progress.stored", "expected=await self._driver.get_metadata(progress.key)"),
        ("job_id=_trigger_id(progress.key, trigger)", "job_id=None"),
    ),
    _bug(
        "a scheduler does not look again if another one was first",
        *(SCHEDULER, "Scheduler._push"),
        ("    progress.is_known = False\n", ""),
    ),
)
