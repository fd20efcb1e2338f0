"""The steps that nobody asks for: time goes by, connections break, and requests are lost."""

from datetime import datetime, timedelta

from hypothesis import strategies as st

from jobsvalkey.contract import Capability, JobStatus
from jobsvalkey_conformance.harness import Damage, Hook
from jobsvalkey_conformance.machine.base import JOB_IDS, MachineBase
from jobsvalkey_conformance.machine.names import queues
from jobsvalkey_conformance.machine.steps import step

jobs: st.SearchStrategy[int] = st.integers(0, len(JOB_IDS) - 1)


def has_jobs(machine: MachineBase) -> bool:
    """Whether there is any job."""
    return any(pair.twin.state.jobs for pair in machine.pairs)


def has_claims(machine: MachineBase) -> bool:
    """Whether there has been a claim."""
    return any(pair.claims for pair in machine.pairs)


class Happenings(MachineBase):
    """Time and faults."""

    @step(seconds=st.sampled_from([1, 1, 5, 5, 10, 10, 20, 30, 60, 600, 3600, 86400]), often=2)
    def advance(self, seconds: int) -> None:
        """Let time go by: up to, or past, what happens at a certain time."""
        self.go_to(self.clock.now() + timedelta(seconds=seconds))

    @step(queue=queues, just_before=st.booleans(), when=has_jobs)
    def advance_to_next_due(self, queue: int, just_before: bool) -> None:
        """Let time go by until just then a job is due, or expires, or does not yet."""

        async def next_due() -> datetime | None:
            jobs = [job async for job in self.pairs[queue].twin.jobs(JobStatus.PENDING)]
            times = [time for job in jobs for time in (job.due, job.expires) if time and time > self.clock.now()]
            return min(times, default=None)

        due = self.run(next_due())
        if due is not None:
            self.go_to(due - self.harness.time_precision if just_before else due)

    @step(
        queue=queues,
        what=st.sampled_from(["make a new driver", Hook.KILL_CONNECTIONS.value, Hook.DROP_REPLY.value]),
    )
    def fault(self, queue: int, what: str) -> None:
        """Go on with a new driver on the same store, break connections, or lose the reply of the queue's next step."""
        if what == "make a new driver":
            self.run(self.pair(queue).reopen())
        elif self.has(Hook(what)) and what == Hook.DROP_REPLY:
            self.pairs[queue].losing_reply = True
        elif self.has(Hook(what)):
            self.run(self.harness.kill_connections())
            self.touched.update((0, 1))

    @step(Capability.INSPECTION, queue=queues, number=jobs, how=st.sampled_from(["lost_request", "garbled_request"]))
    def damage(self, queue: int, number: int, how: str) -> None:
        """Spoil the request of a job that is there."""
        if self.has(Hook.DAMAGE):
            self.run(self.pair(queue).damage(JOB_IDS[number], Damage(how)))
