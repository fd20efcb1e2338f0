"""Cleanups, as a step of the machine."""

from datetime import timedelta
from typing import Literal

from hypothesis import strategies as st

from jobsvalkey.contract import Capability, JobCleanup, JobStatus
from jobsvalkey_conformance.machine.base import JOB_IDS, MachineBase
from jobsvalkey_conformance.machine.happenings import has_jobs
from jobsvalkey_conformance.machine.names import queues
from jobsvalkey_conformance.machine.steps import step


class Cleanups(MachineBase):
    """The jobs of a state, the oldest first."""

    @step(
        Capability.CLEANUP,
        queue=queues,
        # What runs has most to lose: its claims, and whether its worker is alive.
        status=st.sampled_from([*("processing",) * 3, *(str(status) for status in JobStatus)]),
        action=st.sampled_from(["remove", "rerun", "remove", "rerun", "nothing"]),
        seconds=st.sampled_from([None, None, 10, 60]),
        max_jobs=st.sampled_from([1, 2, 250]),
        only_orphans=st.booleans(),
        numbered=st.booleans(),
        except_for=st.sampled_from([None, None, *range(len(JOB_IDS))]),
        ago=st.sampled_from([None, None, None, 0, 10]),
        often=2,
        when=has_jobs,
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
        except_for: int | None,
        ago: int | None,
    ) -> None:
        """One chunk of a cleanup; of running jobs all chunks, since their order is not promised."""
        state, max_age = JobStatus(status), None if seconds is None else timedelta(seconds=seconds)
        passed_over = None if except_for is None else JOB_IDS[except_for]
        as_of = None if ago is None else self.clock.now() - timedelta(seconds=ago)
        others = f"{only_orphans=}, except_for={passed_over}, as_of={as_of}"
        # The store need not be asked for the one, nor for the other, which is refused whatever its number.
        refused = action == "rerun" and state in (JobStatus.PENDING, JobStatus.PAUSED, JobStatus.WAITING)
        numbered = numbered and action != "nothing" and not refused
        done = wanted = 250 if state is JobStatus.PROCESSING else max_jobs
        while done == wanted:
            answer = self.write(
                queue,
                f"cleanup_step({status}, {action}, {seconds} s, {wanted}, {others})",
                numbered,
                lambda driver, operation: driver.cleanup_step(
                    state,
                    JobCleanup(action, max_age),
                    max_jobs=wanted,
                    only_orphans=only_orphans,
                    except_for=passed_over,
                    as_of=as_of,
                    operation=operation,
                ),
            )
            done = answer if state is JobStatus.PROCESSING else 0
