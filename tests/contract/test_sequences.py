"""The sequences: which there are, that a failure names the shortest ones, and longer ones than usual."""

import asyncio
from datetime import datetime
from itertools import pairwise
from typing import ClassVar

import pytest
from jobsvalkey_conformance.machine.kinds import KINDS, sequences
from jobsvalkey_conformance.machine.sequences import CASES, SequenceTests
from jobsvalkey_conformance.settings import TEST_SECONDS
from msgspec.structs import replace

from jobsvalkey.contract import StoredJob
from tests.support.broken_twins import Twin, harness_of
from tests.support.harnesses import MemoryHarness, ValkeyHarness
from tests.support.servers import Server


def test_each_step_begins_where_the_one_before_it_ends() -> None:
    all_of_three = list(sequences(3, "waits", lambda kind: True))
    assert all(one.after == other.before for steps in all_of_three for one, other in pairwise(steps))
    assert {steps[2] for steps in all_of_three} == set(KINDS)
    assert len(set(all_of_three)) == len(all_of_three)


class ErrorsStay(Twin):
    """A job that a cleanup puts back while it runs keeps the error of an earlier try."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        super()._rerun(job, now)
        if job.worker:
            self.state.put(replace(self.state.jobs[job.job_id], error=job.error))


def test_a_failure_names_what_was_done_and_what_is_promised() -> None:
    suite = type("Suite", (SequenceTests,), {"harness_type": harness_of(ErrorsStay)})()

    async def run() -> None:
        await suite.test_sequences_of_one_job(CASES[0])

    with pytest.raises(AssertionError) as failure:
        asyncio.run(run())
    first, promise, *_ = str(failure.value).splitlines()
    assert first.startswith("after push(child, expiry, keep_for, limited lane, name")
    assert first.endswith(
        "→ retry later → recovery → cleanup of orphans: error is b'to be retried at step 1', of the twin None"
    )
    assert "without error" in promise


class Longer(SequenceTests):
    """Three steps of each job, which follow those that all take: ten times as many jobs."""

    sequence_length: ClassVar[int] = 3

    @pytest.fixture(autouse=True)
    def patient(self, monkeypatch: pytest.MonkeyPatch, default_server: Server) -> None:
        """Let a test take ten minutes, on the server of this process."""
        monkeypatch.setenv(TEST_SECONDS, "600")
        ValkeyHarness.server = default_server


@pytest.mark.night  # the twin beside itself: it shows that the steps are possible
class TestLongerOnTheTwin(Longer):
    harness_type = MemoryHarness


@pytest.mark.slow
class TestLongerOnValkey(Longer):
    harness_type = ValkeyHarness
