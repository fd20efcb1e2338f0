"""Type checkers see wrong arguments of a push: each line that ends with `# wrong` is an error, and no other one is."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = '''
from datetime import timedelta
from typing import Any, assert_type

from jobsvalkey import (
    GIVEN, JobContext, JobID, JobOptions, JobQueue, JobService, NamedParameters, NoRetry, Push, Schedule, ValkeyJobQueue
)


class Images:
    """Given by the state."""


async def main(queue: JobQueue[ValkeyJobQueue], service: JobService[ValkeyJobQueue]) -> None:
    @queue.task
    async def resize(path: str, width: int = 100, *, context: JobContext = GIVEN, images: Images = GIVEN) -> float:
        assert_type(images, Images)
        return context.attempt / 2

    @service.task(name="Shrink", retry_strategy=NoRetry(), timeout=timedelta(minutes=1))
    def shrink(path: str) -> int:
        return len(path)

    @service.task
    async def tidy(*, context: JobContext | None = None) -> None: ...

    assert_type(await resize.push("a.png"), JobID)
    await resize.push("a.png", 200)
    await resize.push(path="a.png", width=200)
    await resize.push(1)  # wrong
    await resize.push("a.png", "200")  # wrong
    await resize.push("a.png", widht=200)  # wrong
    await resize.push()  # wrong
    await resize.push("a.png", 1, 2)  # wrong
    await resize.with_options(JobOptions(delay=timedelta(1))).push("a.png", width=1)
    await resize.with_options(JobOptions()).push(1)  # wrong
    await resize.with_options(timedelta(1)).push("a.png")  # wrong
    assert_type(resize.with_parameters("a.png"), NamedParameters[Any])
    assert_type(resize.with_options(JobOptions()).with_parameters("a.png"), Push)
    resize.with_parameters(1)  # wrong
    await queue.push_many([resize.with_parameters("a.png"), resize.with_options(JobOptions()).with_parameters("b")])
    await shrink.push("a.png")
    await shrink.push(1)  # wrong
    await tidy.push()
    await tidy.push("now")  # wrong

    assert_type(await resize("a.png", context=JobContext.for_test(), images=Images()), float)
    assert_type(shrink("a.png"), int)
    shrink(1)  # wrong

    job_id = await resize.push("a.png")
    assert_type(await resize.result(job_id, timeout=timedelta(minutes=1)), float)
    assert_type(await shrink.result(job_id), int)
    assert_type(await resize.call("a.png", width=5), float)
    assert_type(await shrink.call("a.png"), int)
    await resize.call(1)  # wrong
    await resize.result(5)  # wrong
    kept = service.task(name="Kept", keep_result=timedelta(minutes=1))(resize.function)
    assert_type(await kept.call("a.png"), float)

    service.add_scheduled_job(tidy, Schedule.daily())
    service.add_scheduled_job(shrink.with_parameters("a.png"), Schedule.daily())
    service.add_scheduled_job("shrink", Schedule.daily())  # wrong
    queue.task(name=5)  # wrong
    queue.task(5)  # wrong


async def one_without_a_default(queue: JobQueue[ValkeyJobQueue]) -> None:
    @queue.task
    async def resize(path: str, *, context: JobContext) -> None: ...

    await resize.push("a.png")  # wrong
    await resize("a.png", context=JobContext.for_test())
'''


def wrong_lines(program: str) -> set[int]:
    return {number for number, line in enumerate(program.splitlines(), 1) if line.endswith("# wrong")}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def test_pyright_sees_them(program: Path) -> None:
    settings = program.with_name("pyrightconfig.json")
    settings.write_text(json.dumps({"include": ["program.py"], "typeCheckingMode": "strict", "pythonVersion": "3.11"}))
    command = [sys.executable, "-m", "pyright", "--project", settings, "--pythonpath", sys.executable, "--outputjson"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=250).stdout
    found = json.loads(said)["generalDiagnostics"]
    assert {each["range"]["start"]["line"] + 1 for each in found} == wrong_lines(PROGRAM), said


def test_mypy_sees_them(program: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file=", program]
    said = subprocess.run(command, capture_output=True, text=True, timeout=250, cwd=program.parent).stdout
    found = {
        int(line) for line in re.findall(r"^program\.py:(\d+): error", said.replace(f"{program.parent}/", ""), re.M)
    }
    assert found == wrong_lines(PROGRAM), said
