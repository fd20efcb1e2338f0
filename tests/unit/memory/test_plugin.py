"""The pytest plugin, in a pytest of its own: either mode of pytest-asyncio, and no import before it is asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest
from jobsvalkey import JobContext, JobName
from jobsvalkey_memory import ManualClock, TwinQueue, assert_completed, run_until_idle

hello = JobName("Hello", str)

async def say_hello(name: str, context: JobContext) -> None: ...

@pytest.fixture
def job_queue(job_queue: TwinQueue) -> TwinQueue:
    job_queue.register_job(hello, say_hello)
    return job_queue

@pytest.mark.asyncio
async def test_it_runs(job_queue: TwinQueue, job_clock: ManualClock) -> None:
    assert job_queue.driver.clock is job_clock
    await job_queue.push(hello, "ada")
    assert await run_until_idle(job_queue) == 1
    assert_completed(job_queue, hello)

@pytest.mark.asyncio
async def test_it_is_empty(job_queue: TwinQueue) -> None:
    assert await run_until_idle(job_queue) == 0
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_the_fixtures_work_in_either_mode(tmp_path: Path, mode: str) -> None:
    (tmp_path / "test_app.py").write_text(TESTS)
    settings = [f"asyncio_mode={mode}", "asyncio_default_fixture_loop_scope=function"]
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-o", settings[0], "-o", settings[1], "test_app.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, "2 passed" in ran.stdout) == (0, True), ran.stdout + ran.stderr


def test_the_plugin_imports_nothing_of_the_library() -> None:
    code = (
        "import sys, jobsvalkey_memory.pytest_plugin; sys.exit('jobsvalkey' in sys.modules or 'msgspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_what_is_not_there_is_no_attribute() -> None:
    import jobsvalkey_memory

    assert not hasattr(jobsvalkey_memory, "nothing")
    for name in jobsvalkey_memory.__all__:
        assert getattr(jobsvalkey_memory, name).__module__
