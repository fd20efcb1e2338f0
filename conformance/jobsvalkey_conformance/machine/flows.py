"""The steps of the machine about jobs that wait for others."""

from collections.abc import Sequence

from hypothesis import strategies as st

from jobsvalkey.contract import Capability, JobStatus, NewJob
from jobsvalkey_conformance.machine.base import JOB_IDS
from jobsvalkey_conformance.machine.happenings import has_jobs, jobs
from jobsvalkey_conformance.machine.names import NamesMachine, expiries, lines_of_jobs, names_of_jobs, queues
from jobsvalkey_conformance.machine.steps import step

HELD = ("after", "after", "after", "run after", "callback", "member", "none")
"""The ways in which a job that is pushed has to do with others."""


class FlowMachine(NamesMachine):
    """Flows and batches."""

    @step(
        Capability.FLOWS,
        queue=queues,
        numbers=st.lists(jobs, min_size=1, max_size=4, unique=True),
        held=st.lists(st.tuples(st.sampled_from(HELD), st.lists(jobs, max_size=3)), min_size=1, max_size=4),
        due=st.sampled_from(["now", "now", "earlier", "soon"]),
        keep_for=st.sampled_from([None, 60, 3600, 3600]),
        remember=st.sampled_from([False, False, True]),
        numbered=st.booleans(),
        names=names_of_jobs,
        expires=expiries,
        lines=lines_of_jobs,
        often=3,
    )
    def push_held(
        self,
        queue: int,
        numbers: list[int],
        held: list[tuple[str, list[int]]],
        due: str,
        keep_for: int | None,
        remember: bool,
        numbered: bool,
        names: list[str],
        expires: str | None,
        lines: Sequence[str] = ("",),
    ) -> None:
        """Push jobs that are held by others, if possible such as are not there."""
        absent = [number for number in range(len(JOB_IDS)) if JOB_IDS[number] not in self.jobs_in(queue, *JobStatus)]
        fresh = [number for number in absent if number in numbers] or absent or numbers
        items = list[NewJob]()
        for at, number in enumerate((fresh + [each for each in numbers if each not in fresh])[: len(numbers)]):
            kind, others = held[at % len(held)]
            job_id, named = JOB_IDS[number], tuple(JOB_IDS[other] for other in others)
            # The job before is a parent that is seldom unknown.
            before = (*named, items[-1].job_id) if items else named
            items.append(
                NewJob(
                    *(job_id, f"{self.number}.{at}".encode(), self.due(due), remember),
                    keep_for=self.keep_for(keep_for),
                    unique=self.unique(names[at % len(names)]),
                    expires=self.expires(expires),
                    priority=self.priority(lines[at % len(lines)]),
                    lane=self.lane(lines[at % len(lines)]),
                    after=before if kind in ("after", "run after") else (),
                    if_failed="run" if kind == "run after" else "cancel",
                    batch=job_id if kind == "callback" else before[0] if kind == "member" and before else None,
                )
            )
        self.write(queue, f"push({items})", numbered, lambda driver, operation: driver.push(items, operation=operation))

    @step(Capability.FLOWS, queue=queues, number=jobs, numbered=st.booleans(), when=has_jobs)
    def close_batch(self, queue: int, number: int, numbered: bool) -> None:
        """Close a batch, one that is open if there is one."""
        is_open = self.pairs[queue].twin.state.open_batches
        callbacks = [job_id for job_id in JOB_IDS if job_id in is_open] or list(JOB_IDS)
        job_id = callbacks[number % len(callbacks)]
        self.write(
            queue,
            f"close_batch({job_id})",
            numbered,
            lambda driver, operation: driver.close_batch(job_id, operation=operation),
        )
