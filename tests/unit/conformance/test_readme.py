"""The kit's README: its example is a whole program, and its commands work."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from jobsvalkey_conformance import Hook

ROOT = Path(__file__).parents[3]
README = (ROOT / "conformance" / "README.md").read_text(encoding="utf-8")
DRIVER = """
from jobsvalkey_memory import MemoryJobQueue, MemoryStore as MyStore

class MyDriver(MemoryJobQueue):
    def __init__(self, store, configuration, clock):
        super().__init__(configuration, clock, store)
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def run(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=directory, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_example_is_a_whole_program(tmp_path: Path) -> None:
    [example] = blocks("python")
    (tmp_path / "my_driver.py").write_text(DRIVER)
    (tmp_path / "test_my_driver.py").write_text(example)
    done = run(tmp_path, "pytest", "test_my_driver.py", "-k", "cancel_a_cancelled_job_is_not")
    assert done.returncode == 0, done.stdout
    assert "TestMyDriver (MyHarness)" in done.stdout
    for line in "".join(blocks("sh")).splitlines():
        command = [*shlex.split(line)[2:], "-k", "push_an_empty"]
        done = run(tmp_path, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "report.xml").exists()


def test_it_names_every_hook() -> None:
    assert set(re.findall(r"^\| `(\w+)\(", README, re.MULTILINE)) == set(Hook)
