"""The stateful machine: random steps on the driver under test and on the twin, in lock step, compared after each one.

Hypothesis chooses the steps and, where the two differ, looks for the shortest way there. What it prints is a
program. To run it again, paste it below these lines:

    from jobsvalkey_conformance.machine_area import machine_for

    LockstepMachine = machine_for(MyHarness)

All arguments are numbers and words, so that it needs nothing else.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from jobsvalkey.contract import Capability, JobCleanup, JobStatus, NewJob, Operation, WorkerID
from jobsvalkey_conformance.harness import AnyDriver, Damage, Hook
from jobsvalkey_conformance.machine_base import DUES, JOB_IDS, KEYS, MachineBase, Write
from jobsvalkey_conformance.machine_pair import SETTLEMENTS, PairedExchange, PairedSettlement

queues = st.integers(0, 1)
jobs = st.integers(0, len(JOB_IDS) - 1)
workers = st.integers(0, 1)
dues = st.sampled_from(DUES)
claims = st.integers(0, 5)
"""Which claim is meant, counted back from the latest."""


class LockstepMachine(MachineBase):
    """What can happen to the two queues."""

    @rule(
        queue=queues,
        numbers=st.lists(jobs, min_size=1, max_size=3),
        due=dues,
        remember=st.booleans(),
        numbered=st.booleans(),
    )
    def push(self, queue: int, numbers: list[int], due: str, remember: bool, numbered: bool) -> None:
        """Push jobs, some of which may be there, or twice in the list."""
        when = self.due(due)
        items = [
            NewJob(JOB_IDS[number], f"{self.number}.{at}".encode(), when, remember) for at, number in enumerate(numbers)
        ]
        self.write(queue, f"push({items})", numbered, lambda driver, operation: driver.push(items, operation=operation))

    @rule(
        queue=queues,
        worker=workers,
        settle=st.lists(st.tuples(st.sampled_from(SETTLEMENTS), claims), max_size=3),
        limit=st.integers(0, 3),
    )
    def exchange(self, queue: int, worker: int, settle: list[tuple[str, int]], limit: int) -> None:
        """Settle claims, also such as are another worker's or lost, and claim."""
        pair, name = self.pair(queue), self.worker(queue, worker)
        settlements = [
            PairedSettlement(kind, pair.claims[-1 - back % len(pair.claims)]) for kind, back in settle if pair.claims
        ]
        self.exchange_once(queue, name, settlements, limit)

    @rule(queue=queues, worker=workers, back=claims, number=jobs)
    def settle_another_job(self, queue: int, worker: int, back: int, number: int) -> None:
        """Settle a job by the token of a claim that may be for another one."""
        pair = self.pair(queue)
        if pair.claims:
            claim = pair.claims[-1 - back % len(pair.claims)]
            settlement = PairedSettlement("finish", claim, other_job=JOB_IDS[number])
            self.exchange_once(queue, self.worker(queue, worker), [settlement], 0)

    def exchange_once(self, queue: int, name: WorkerID, settlements: list[PairedSettlement], limit: int) -> None:
        """An exchange of a worker under its next number."""
        sequence = self.sequences[queue, name] = self.sequences.get((queue, name), 0) + 1
        asked = PairedExchange(name, sequence, settlements, limit)
        self.exchanges[queue, name] = asked
        self.run(self.pair(queue).exchange(f"{asked}", asked))

    @rule(queue=queues, worker=workers, lower=st.booleans())
    def exchange_again(self, queue: int, worker: int, lower: bool) -> None:
        """Send a worker's last exchange again, or under a lower number."""
        asked = self.exchanges.get((queue, self.worker(queue, worker)))
        if asked is not None:
            asked = replace(asked, sequence=asked.sequence - lower)
            self.run(self.pair(queue).exchange(f"again {asked}", asked, repeat=True))

    @rule(queue=queues, worker=workers, seconds=st.sampled_from([10, 30]), what=st.sampled_from(["open", "renew"]))
    def hold(self, queue: int, worker: int, seconds: int, what: str) -> None:
        """Open a worker, for the first time or again, or renew its lock."""
        if what == "open":
            self.run(self.open_worker(queue, worker, seconds))
        else:
            self.run(self.pair(queue).renew(self.worker(queue, worker), timedelta(seconds=seconds)))

    @rule(queue=queues, worker=workers)
    def close(self, queue: int, worker: int) -> None:
        """Close a worker, once or more often."""
        name = self.worker(queue, worker)
        self.closed.add((queue, name))
        self.run(self.pair(queue).both(f"close_worker({name!r})", lambda driver: driver.close_worker(name)))

    @rule(queue=queues, at_once=st.sampled_from([1, 1000]))
    def recover(self, queue: int, at_once: int) -> None:
        """Recover all that dead workers held. Which jobs come first is not promised: so all, before it is compared."""
        pair, recovered = self.pair(queue), at_once
        while recovered == at_once:
            # A second recovery finds less than the first: with its reply lost, the answer would be another one.
            answer = self.run(
                pair.both(f"recover({at_once})", lambda driver: driver.recover(at_once), repeatable=False)
            )
            recovered = answer if isinstance(answer, int) else 0

    @precondition(lambda self: self.states(Capability.CANCEL))
    @rule(queue=queues, number=jobs, numbered=st.booleans())
    def cancel(self, queue: int, number: int, numbered: bool) -> None:
        """Cancel a job, wherever it is."""
        self.write(
            queue,
            f"cancel(job {number})",
            numbered,
            lambda driver, operation: driver.cancel(JOB_IDS[number], operation=operation),
        )

    @precondition(lambda self: self.states(Capability.RESUME))
    @rule(queue=queues, number=jobs, what=st.sampled_from(["pause", "resume"]), numbered=st.booleans())
    def set_aside(self, queue: int, number: int, what: str, numbered: bool) -> None:
        """Pause or resume a job, wherever it is."""

        async def call(driver: AnyDriver, operation: Operation | None) -> bool:
            method = driver.pause if what == "pause" else driver.resume
            return await method(JOB_IDS[number], operation=operation)

        self.write(queue, f"{what}(job {number})", numbered, call)

    @precondition(lambda self: self.states(Capability.CLEANUP))
    @rule(queue=queues, number=jobs, what=st.sampled_from(["rerun", "remove"]), numbered=st.booleans())
    def end(self, queue: int, number: int, what: str, numbered: bool) -> None:
        """Rerun or remove a job, wherever it is."""

        async def call(driver: AnyDriver, operation: Operation | None) -> bool:
            method = driver.rerun if what == "rerun" else driver.remove
            return await method(JOB_IDS[number], operation=operation)

        self.write(queue, f"{what}(job {number})", numbered, call)

    @precondition(lambda self: self.states(Capability.CLEANUP))
    @rule(
        queue=queues,
        status=st.sampled_from([str(status) for status in JobStatus]),
        action=st.sampled_from(["nothing", "rerun", "remove"]),
        seconds=st.sampled_from([None, 10, 60]),
        max_jobs=st.sampled_from([1, 2, 250]),
        only_orphans=st.booleans(),
        numbered=st.booleans(),
    )
    def clean(
        self,
        queue: int,
        status: str,
        action: Literal["nothing", "rerun", "remove"],
        seconds: int | None,
        max_jobs: int,
        only_orphans: bool,
        numbered: bool,
    ) -> None:
        """One chunk of a cleanup; of running jobs all chunks, since their order is not promised."""
        state, max_age = JobStatus(status), None if seconds is None else timedelta(seconds=seconds)
        done = wanted = 250 if state is JobStatus.PROCESSING else max_jobs
        while done == wanted:
            answer = self.write(
                queue,
                f"cleanup_step({status}, {action}, {seconds} s, {wanted}, only_orphans={only_orphans})",
                numbered,
                lambda driver, operation: driver.cleanup_step(
                    state,
                    JobCleanup(action, max_age),
                    max_jobs=wanted,
                    only_orphans=only_orphans,
                    operation=operation,
                ),
            )
            done = answer if state is JobStatus.PROCESSING else 0

    @precondition(lambda self: self.states(Capability.METADATA))
    @rule(
        queue=queues,
        key=st.sampled_from(KEYS),
        what=st.sampled_from(["set", "acquire", "release"]),
        value=st.sampled_from(["one", "other"]),
        seconds=st.sampled_from([10, 60]),
        numbered=st.booleans(),
    )
    def metadata(self, queue: int, key: str, what: str, value: str, seconds: int, numbered: bool) -> None:
        """Metadata and locks, under the same keys."""

        async def call(driver: AnyDriver, operation: Operation | None) -> object:
            if what == "set":
                return await driver.set_metadata(key, value.encode(), operation=operation)
            if what == "release":
                return await driver.release_lock(key, value.encode(), operation=operation)
            return await driver.acquire_lock(key, value.encode(), timedelta(seconds=seconds), operation=operation)

        self.write(queue, f"{what}({key!r}, {value!r}, {seconds} s)", numbered, call)

    @precondition(lambda self: self.states(Capability.SCHEDULING))
    @rule(
        queue=queues,
        number=jobs,
        due=dues,
        key=st.sampled_from(KEYS),
        expected=st.sampled_from([None, "one", "other"]),
        value=st.sampled_from(["one", "other"]),
        numbered=st.booleans(),
    )
    def push_if(
        self, queue: int, number: int, due: str, key: str, expected: str | None, value: str, numbered: bool
    ) -> None:
        """Push a job if metadata is as expected."""
        item = NewJob(JOB_IDS[number], b"scheduled", self.due(due), remember=True)
        before = None if expected is None else expected.encode()
        self.write(
            queue,
            f"push_if({item}, {key!r}, {before!r}, {value!r})",
            numbered,
            lambda driver, operation: driver.push_if(item, key, before, value.encode(), operation=operation),
        )

    @rule(queue=queues, how=st.sampled_from(["same", "lower", "other content"]), number=jobs)
    def write_again(self, queue: int, how: str, number: int) -> None:
        """The last numbered step again: as it was, under a lower number, or another step under its number."""
        if queue not in self.numbered:
            return
        what, call, operation = self.numbered[queue]
        if how == "lower":
            operation = replace(operation, sequence=operation.sequence - 1)
        elif how == "other content":
            what, call = "a push", self.push_of_another_step(number)
        self.run(self.pair(queue).both(f"{how} number, {what}", lambda driver: call(driver, operation)))

    def push_of_another_step(self, number: int) -> Write[object]:
        """A step that was not made before."""
        items = [NewJob(JOB_IDS[number], b"another step")]
        return lambda driver, operation: driver.push(items, operation=operation)

    # -- time and faults

    @rule(seconds=st.sampled_from([1, 5, 10, 20, 30, 60, 600, 3600, 86400]))
    def advance(self, seconds: int) -> None:
        """Let time go by: up to, or past, what happens at a certain time."""
        self.clock.advance(timedelta(seconds=seconds))
        self.touched |= {0, 1}

    @rule()
    def tick(self) -> None:
        """Let the smallest time go by."""
        self.clock.advance(self.harness.time_precision)
        self.touched |= {0, 1}

    @precondition(lambda self: self.states(Capability.INSPECTION))
    @rule(queue=queues)
    def advance_to_next_due(self, queue: int) -> None:
        """Let time go by until just then a job is due."""

        async def next_due() -> datetime | None:
            dues = [job.due async for job in self.pairs[queue].twin.jobs(JobStatus.PENDING)]
            return next((due for due in dues if due is not None and due > self.clock.now()), None)

        due = self.run(next_due())
        if due is not None:
            self.clock.set(due)
            self.touched |= {0, 1}

    @rule(queue=queues)
    def make_driver_anew(self, queue: int) -> None:
        """Close the driver, and go on with a new one on the same store."""
        self.run(self.pair(queue).reopen())

    @precondition(lambda self: self.has(Hook.KILL_CONNECTIONS))
    @rule()
    def kill_connections(self) -> None:
        """Break the drivers' connections."""
        self.run(self.harness.kill_connections())
        self.touched |= {0, 1}

    @precondition(lambda self: self.has(Hook.DROP_REPLY))
    @rule(queue=queues)
    def lose_next_reply(self, queue: int) -> None:
        """Lose the reply of the next step on this queue, though the store does it."""
        self.pairs[queue].losing_reply = True

    @precondition(lambda self: self.has(Hook.DAMAGE) and self.states(Capability.INSPECTION))
    @rule(queue=queues, number=jobs, how=st.sampled_from(["lost_request", "garbled_request"]))
    def damage(self, queue: int, number: int, how: str) -> None:
        """Spoil the request of a job that is there."""
        self.run(self.pair(queue).damage(JOB_IDS[number], Damage(how)))

    @invariant()
    def agree(self) -> None:
        """Both show the same."""
        type(self).steps_taken += 1
        touched, self.touched = self.touched, set()

        async def compare() -> None:
            for queue in sorted(touched):
                await self.pairs[queue].compare(JOB_IDS, KEYS)

        if touched:
            self.run(compare())
