"""`.ci/check-api` finds changes that break somebody's code, and no others."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / ".ci" / "check-api"
BEFORE = {
    "jobsvalkey/__init__.py": 'from jobsvalkey.core import A, b, c\n__all__ = ["A", "b", "c"]\n',
    "jobsvalkey/core.py": """
class A:
    def method(self, x: int = 0) -> None: ...
    def _private(self) -> None: ...
def b(x: int) -> None: ...
def c() -> None: ...
def internal(x: int) -> None: ...
""",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in BEFORE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(tmp_path)]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"], ["tag", "v1"]):
        subprocess.run([*git, *command], check=True)
    return tmp_path


def check(repository: Path, reference: str = "") -> tuple[int, list[str]]:
    ran = subprocess.run([sys.executable, CHECK, reference, repository], capture_output=True, text=True)
    assert not ran.stderr, ran.stderr
    return ran.returncode, ran.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("def c() -> None: ...", "def c(x: int = 0) -> None: ...", []),
        ("def internal(x: int)", "def internal(x: int, y: int)", []),
        ("def _private(self) -> None: ...", "def added(self) -> None: ...", []),
        ("def b(x: int)", "def b(x: int, y: int)", ["b(y): Parameter was added as required"]),
        ("x: int = 0", "y: int = 0", ["A.method(x): Parameter was removed"]),
        ("def c() -> None: ...", "c = 1", ["c: it was a function, and is a attribute"]),
    ],
    ids=str,
)
def test_changes_since_the_last_tag(repository: Path, old: str, new: str, found: list[str]) -> None:
    core = repository / "jobsvalkey" / "core.py"
    core.write_text(core.read_text().replace(old, new))
    code, lines = check(repository)
    assert code == (1 if found else 0)
    assert all(any(text in line for line in lines) for text in found or ["nothing that breaks since v1"]), lines


@pytest.mark.slow
def test_a_name_that_is_gone(repository: Path) -> None:
    (repository / "jobsvalkey" / "__init__.py").write_text('from jobsvalkey.core import A, b\n__all__ = ["A", "b"]\n')
    assert check(repository, "HEAD") == (1, ["jobsvalkey.c: it is gone"])
