"""The stateful machine: random steps on the driver under test and on the twin, in lock step, compared after each one.

Hypothesis chooses the steps. Their arguments are numbers and words, so that what was done can be printed as a program
that needs nothing but the harness.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from jobsvalkey.contract import (
    Capability,
    JobStatus,
    NewJob,
    Operation,
)
from jobsvalkey_conformance.changes import CHANGEABLE, CHANGES, ChangeName
from jobsvalkey_conformance.harness import AnyDriver
from jobsvalkey_conformance.machine.base import DUES, JOB_IDS, KEYS, Write
from jobsvalkey_conformance.machine.cleanups import Cleanups
from jobsvalkey_conformance.machine.exchanging import ExchangingMachine, workers
from jobsvalkey_conformance.machine.flows import FlowMachine
from jobsvalkey_conformance.machine.happenings import Happenings, has_claims, has_jobs, jobs
from jobsvalkey_conformance.machine.names import expiries, lines_of_jobs, names_of_jobs, queues
from jobsvalkey_conformance.machine.steps import CHOICE, NEEDS, STEPS, WHEN, Arguments, step

dues: st.SearchStrategy[str] = st.sampled_from(DUES)
keeps: st.SearchStrategy[int | None] = st.sampled_from([None, None, None, 10, 60, 3600])


class LockstepMachine(ExchangingMachine, FlowMachine, Cleanups, Happenings):
    """The steps that can happen to the two queues."""

    @step(
        queue=queues,
        numbers=st.lists(jobs, min_size=1, max_size=3),
        due=dues,
        remember=st.sampled_from([False, False, True]),
        numbered=st.booleans(),
        keep_for=keeps,
        names=names_of_jobs,
        expires=expiries,
        lines=lines_of_jobs,
    )
    def push(
        self,
        queue: int,
        numbers: list[int],
        due: str,
        remember: bool,
        numbered: bool,
        keep_for: int | None,
        names: Sequence[str] = ("",),
        expires: str | None = None,
        lines: Sequence[str] = ("",),
    ) -> None:
        """Push jobs, some of which may be there, or twice in the list."""
        when = self.due(due)
        kept = self.keep_for(keep_for)
        items = [
            NewJob(
                *(JOB_IDS[number], f"{self.number}.{at}".encode(), when, remember),
                keep_for=kept,
                unique=self.unique(names[at % len(names)]),
                expires=self.expires(expires),
                priority=self.priority(lines[at % len(lines)]),
                lane=self.lane(lines[at % len(lines)]),
            )
            for at, number in enumerate(numbers)
        ]
        self.write(queue, f"push({items})", numbered, lambda driver, operation: driver.push(items, operation=operation))

    @step(
        queue=queues,
        numbers=st.lists(jobs, min_size=1, max_size=3, unique=True),
        keep_for=keeps,
        names=names_of_jobs,
        expires=expiries,
        lines=lines_of_jobs,
        often=2,
    )
    def push_now(
        self,
        queue: int,
        numbers: list[int],
        keep_for: int | None,
        names: Sequence[str] = ("",),
        expires: str | None = None,
        lines: Sequence[str] = ("",),
    ) -> None:
        """Push jobs that are due, if possible such as are not there."""
        absent = [number for number in range(len(JOB_IDS)) if JOB_IDS[number] not in self.jobs_in(queue, *JobStatus)]
        numbers = [absent[number % len(absent)] for number in numbers] if absent else numbers
        self.push(queue, numbers, "now", False, False, keep_for, names, expires, lines)

    @step(
        queue=queues,
        worker=workers,
        what=st.sampled_from(["renew", "renew", "renew", "leave", "open", "open", "close"]),
        seconds=st.sampled_from([10, 30, 600]),
        often=2,
    )
    def hold(self, queue: int, worker: int, what: str, seconds: int) -> None:
        """Renew a worker's lock, open the worker, for the first time or again, or close it, once or more often."""
        name = self.worker(queue, worker)
        if what in ("renew", "leave"):
            self.run(self.pair(queue).renew(name, timedelta(seconds=seconds), leaving=what == "leave"))
        elif what == "open":
            self.run(self.open_worker(queue, worker, seconds))
        else:
            self.closed.add((queue, name))
            self.run(self.pair(queue).both(f"close_worker({name!r})", lambda driver: driver.close_worker(name)))

    @step(
        queue=queues,
        at_once=st.sampled_from([1, 1000]),
        asker=st.sampled_from([None, None, 0, 1]),
        often=2,
        when=has_claims,
    )
    def recover(self, queue: int, at_once: int, asker: int | None) -> None:
        """Recover all that dead workers held. Which jobs come first is not promised: so all, before it is compared."""
        pair, recovered = self.pair(queue), at_once
        worker = None if asker is None else self.worker(queue, asker)
        while recovered == at_once:
            # A second recovery finds less than the first: with its reply lost, the answer would be another one.
            answer = self.run(
                pair.both(
                    f"recover({at_once}, worker={worker!r})",
                    lambda driver: driver.recover(at_once, worker=worker),
                    repeatable=False,
                )
            )
            recovered = answer if isinstance(answer, int) else 0

    @step(
        queue=queues,
        what=st.sampled_from(sorted(CHANGES)),
        number=jobs,
        anywhere=st.sampled_from([False, False, False, True]),
        numbered=st.booleans(),
        often=4,
        when=has_jobs,
    )
    def change(self, queue: int, what: ChangeName, number: int, anywhere: bool, numbered: bool) -> None:
        """Cancel, pause, resume, rerun or remove a job to which that can be done, if there is one, or anywhere."""
        there = [] if anywhere else self.jobs_in(queue, *CHANGEABLE[what])
        job_id = there[number % len(there)] if there else JOB_IDS[number]
        if self.states(CHANGES[what]):
            self.write(
                queue,
                f"{what}({job_id})",
                numbered,
                lambda driver, operation: getattr(driver, what)(job_id, operation=operation),
            )

    @step(
        Capability.ABORT,
        queue=queues,
        number=jobs,
        anywhere=st.sampled_from([False, False, False, True]),
        numbered=st.booleans(),
        often=2,
        when=has_jobs,
    )
    def abort(self, queue: int, number: int, anywhere: bool, numbered: bool) -> None:
        """Ask for the end of a job that runs, if there is one, or of any."""
        there = [] if anywhere else self.jobs_in(queue, JobStatus.PROCESSING)
        job_id = there[number % len(there)] if there else JOB_IDS[number]
        self.write(
            queue, f"abort({job_id})", numbered, lambda driver, operation: driver.abort(job_id, operation=operation)
        )

    @step(Capability.RESULTS, queue=queues, numbers=st.lists(jobs, max_size=4))
    def ended(self, queue: int, numbers: list[int]) -> None:
        """Look whether jobs have ended, without waiting."""
        job_ids = [JOB_IDS[number] for number in numbers]
        self.run(self.pair(queue).both(f"ended({job_ids})", lambda driver: driver.ended(job_ids, timedelta(0))))

    @step(Capability.PAUSE_QUEUE, queue=queues, is_paused=st.sampled_from([True, False, False]), numbered=st.booleans())
    def pause_queue(self, queue: int, is_paused: bool, numbered: bool) -> None:
        """Pause the queue, or resume it."""

        async def call(driver: AnyDriver, operation: Operation | None) -> bool:
            await (driver.pause_queue if is_paused else driver.resume_queue)(operation=operation)
            return await driver.is_queue_paused()

        self.write(queue, f"pause_queue({is_paused})", numbered, call)

    @step(
        Capability.METADATA,
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

    @step(
        Capability.SCHEDULING,
        queue=queues,
        number=jobs,
        due=dues,
        key=st.sampled_from(KEYS),
        expected=st.sampled_from([None, "one", "other"]),
        value=st.sampled_from(["one", "other"]),
        numbered=st.booleans(),
        names=names_of_jobs,
        keep_for=keeps,
    )
    def push_if(
        self,
        queue: int,
        number: int,
        due: str,
        key: str,
        expected: str | None,
        value: str,
        numbered: bool,
        names: Sequence[str] = ("",),
        keep_for: int | None = None,
    ) -> None:
        """Push a job if metadata is as expected."""
        item = NewJob(
            *(JOB_IDS[number], b"scheduled", self.due(due), True),
            keep_for=self.keep_for(keep_for),
            unique=self.unique(names[0]),
        )
        before = None if expected is None else expected.encode()
        self.write(
            queue,
            f"push_if({item}, {key!r}, {before!r}, {value!r})",
            numbered,
            lambda driver, operation: driver.push_if(item, key, before, value.encode(), operation=operation),
        )

    @step(
        queue=queues,
        how=st.sampled_from(["same", "lower", "other content"]),
        number=jobs,
        when=lambda machine: bool(machine.numbered),
    )
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

    @rule(data=st.data())
    def take_any(self, data: st.DataObject) -> None:
        """Take one of the steps that the driver supports, and that have something to act on."""
        possible = [name for name in CHOICE if self.states(*NEEDS[name]) and WHEN[name](self)]
        name = data.draw(st.sampled_from(possible))
        self.take((name, data.draw(STEPS[name])))

    def take(self, step: tuple[str, Arguments]) -> None:
        """Take one step, if the driver can do what it is about; then both must show the same."""
        name, arguments = step
        type(self).steps_taken += 1
        self.steps.append(step)
        if self.states(*NEEDS[name]):
            with self.noticing():
                getattr(self, name)(**arguments)
                self.run(self.compare())

    async def compare(self) -> None:
        """Compare the queues that were touched."""
        touched = self.touched.copy()
        self.touched.clear()
        for queue in sorted(touched):
            await self.pairs[queue].compare(JOB_IDS, KEYS)
