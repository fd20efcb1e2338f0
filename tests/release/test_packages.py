"""What is released: it is complete, installs by the name of its file in a fresh environment, and runs there."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"jobsvalkey": ".", "jobsvalkey_memory": ".", "jobsvalkey_conformance": "conformance"}
pytestmark = pytest.mark.slow


def run(*command: str | Path, folder: Path = ROOT) -> str:
    # Without what the tests' own environment says of modules.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both; the wheel is made of what is in the other one."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    (found,) = built.glob("*.tar.gz")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment that has the wheel and what it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin" / "pip", "install", "-qq", f"{wheel}[embedded]")
    return folder / "bin"


def test_the_wheel_has_our_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
    expected = set[str]()
    for package, folder in PACKAGES.items():
        listed = run("git", "ls-files", package, folder=ROOT / folder).splitlines()
        expected.update(name for name in listed if (ROOT / folder / name).is_file())
    assert names == expected
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_the_archive_has_what_the_tests_need(sdist: Path) -> None:
    with tarfile.open(sdist) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"pyproject.toml", "LICENSE", "tests/conftest.py", ".ci/run", "docs/index.md", "CHANGELOG.md"} <= names


def test_an_index_would_take_both(wheel: Path, sdist: Path) -> None:
    assert run("twine", "check", "--strict", wheel, sdist).count("PASSED") == 2


def test_it_runs_in_a_fresh_environment(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "jobsvalkey", "--version", folder=tmp_path).startswith("jobsvalkey 0.")
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("text\n")
    run(installed / "jobsvalkey", "demo", tmp_path, folder=tmp_path)
    # What is for frameworks is imported on use, and says what it lacks.
    said = run(installed / "python", "-c", "import jobsvalkey, jobsvalkey.integrations; print('ok')", folder=tmp_path)
    assert said == "ok\n"


def test_the_archive_installs_too(sdist: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "environment")
    run(tmp_path / "environment" / "bin" / "pip", "install", "-qq", sdist)
    run(tmp_path / "environment" / "bin" / "python", "-c", "import jobsvalkey", folder=tmp_path)


def test_its_bill_of_materials_lists_what_is_installed(installed: Path, tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    run("cyclonedx-py", "environment", "--output-file", file, installed / "python", "--pyproject", "pyproject.toml")
    bill = json.loads(file.read_text())
    assert bill["metadata"]["component"]["name"] == "jobsvalkey"
    assert {"valkey", "msgspec", "cronsim", "typer"} <= {each["name"] for each in bill["components"]}
    assert all(each.get("version") for each in bill["components"])
