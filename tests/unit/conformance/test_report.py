"""What the kit says about drivers, good and bad, to those who know pytest and to those who do not."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from jobsvalkey_conformance import Damage

ROOT = Path(__file__).parents[3]
HARNESSES = "tests.unit.conformance.faulty_drivers"
SHORT = {"JOBSVALKEY_STATEFUL_EXAMPLES": "5"}


def kit(
    target: str, *options: str, environment: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobsvalkey_conformance", target, *options]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


def report(harness: str, *options: str) -> tuple[int, dict[str, Any]]:
    done = kit(f"{HARNESSES}:{harness}", "--json", *options, environment=SHORT)
    return done.returncode, json.loads(done.stdout)


def test_a_good_driver_conforms(tmp_path: Path) -> None:
    done = kit(
        f"{HARNESSES}:TwinHarness", "-k", "not stateful and not histories", "--junit", str(tmp_path / "junit.xml")
    )
    assert done.returncode == 0, done.stdout
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line[:1].isalpha()}
    assert "conformance suite" in done.stdout
    for capability in ("queue", "cancel", "resume", "metadata", "scheduling", "inspection", "cleanup", "durability"):
        assert int(rows[capability][0]) > 0
        assert rows[capability][1] == "0"
    assert rows["all"][1] == "0"
    assert "not run: the harness has no damage() (" in done.stdout
    cases = ET.parse(tmp_path / "junit.xml").getroot().iter("testcase")  # noqa: S314 - we wrote it
    assert sum(1 for _ in cases) == sum(int(number) for number in rows["all"])


def test_what_is_not_stated_is_not_run() -> None:
    code, told = report("ModestHarness", "-k", "cancel or pause or inspection_an_empty or what_works")
    assert code == 0
    results = {result["test"]: result for result in told["results"]}
    assert results["test_cancel_a_job_that_is_not_there"]["outcome"] == "not run"
    assert results["test_cancel_a_job_that_is_not_there"]["reason"] == "the driver does not support CANCEL"
    assert results["test_inspection_an_empty_queue"]["outcome"] == "passed"
    assert told["capabilities"]["cancel"]["passed"] == 0


@pytest.mark.slow
def test_the_base_alone_can_be_held_against_the_suite() -> None:
    code, told = report("BareHarness", "-k", "not histories and not stateful and not size")
    assert code == 0, [result for result in told["results"] if result["outcome"] == "failed"]
    assert told["capabilities"]["queue"]["passed"] > 100
    assert {name for name, numbers in told["capabilities"].items() if numbers["passed"]} == {"queue"}
    assert told["warnings"] == []


def test_what_works_but_is_not_stated_is_a_warning() -> None:
    code, told = report("ModestHarness", "-k", "what_works_is_stated")
    assert code == 0
    expected = {
        "CANCEL",
        "ABORT",
        "ACTIVITY",
        "RESUME",
        "RESULTS",
        "PAUSE_QUEUE",
        "METADATA",
        "SCHEDULING",
        "CLEANUP",
        "DURABILITY",
    }
    assert {warning.split()[0] for warning in told["warnings"]} == expected


@pytest.mark.slow
def test_what_is_stated_but_does_not_work_fails() -> None:
    code, told = report("BoastfulHarness", "-k", "what_works_is_stated or cancel_a_job")
    assert code == 1
    failed = {result["test"] for result in told["results"] if result["outcome"] == "failed"}
    assert failed == {"test_capability_what_works_is_stated[cancel]", "test_cancel_a_job_that_is_not_there"}
    done = kit(f"{HARNESSES}:BoastfulHarness", "-k", "cancel_a_job")
    assert "FAILED cancel: test_cancel_a_job_that_is_not_there" in done.stdout
    assert "NotImplementedError" in done.stdout


def test_what_the_harness_has_not_is_not_run() -> None:
    tests = "wait_what_makes or wait_an_idle or metadata_a_lock_to or fault_a_lost_reply_to_a_claim"
    code, told = report("RealTimeHarness", "-k", tests)
    assert code == 0
    reasons = {result["reason"] for result in told["results"] if result["outcome"] == "not run"}
    assert reasons == {
        "the driver has no hints",
        "the harness drives no clock",
        "the harness has no drop_reply()",
        "the harness has no fingerprint()",
    }


@pytest.mark.slow
def test_a_run_without_the_stores_own_clock_says_so() -> None:
    done = kit(f"{HARNESSES}:ClockedHarness", "-k", "test_clock_ or push_an_empty")
    assert done.returncode == 0
    assert "not run on the store's own clock: nothing here shows what the driver does in production" in done.stdout
    done = kit(f"{HARNESSES}:ModestHarness", "-k", "clock_a_job_is_due or push_an_empty")
    assert done.returncode == 0
    assert "production" not in done.stdout


def test_a_harness_that_does_not_work_fails_everything() -> None:
    code, told = report("BrokenHarness", "-k", "metadata_a_value_is_replaced")
    assert code == 1
    assert {result["outcome"] for result in told["results"]} == {"failed"}
    assert "no store" in told["results"][0]["reason"]


@pytest.mark.slow
def test_a_store_may_count_roughly_what_it_retains_if_it_says_so() -> None:
    code, told = report("RoughHarness", "-k", "test_retention or stateful")
    assert code == 0, [result for result in told["results"] if result["outcome"] == "failed"]
    reasons = {result["reason"] for result in told["results"] if result["outcome"] == "not run"}
    assert reasons == {"the store keeps roughly as many jobs as a retention says"}
    for harness in ("RougherHarness", "ModestHarness"):
        code, told = report(harness, "-k", "as_many_as_the_harness")
        assert code == (harness == "RougherHarness")


def test_damage_that_a_store_cannot_have_is_not_run() -> None:
    code, told = report("SturdyHarness", "-k", "test_damage or stateful")
    assert code == 0, [result for result in told["results"] if result["outcome"] == "failed"]
    reasons = {result["reason"] for result in told["results"] if result["outcome"] == "not run"}
    possible = {Damage.LOST_REQUEST, Damage.GARBLED_REQUEST}
    assert reasons == {f"the store cannot have a {damage.value}" for damage in set(Damage) - possible}


@pytest.mark.slow
def test_the_names_of_all_failures_come_first() -> None:
    done = kit(f"{HARNESSES}:BrokenHarness", "-k", "metadata")
    lines = [line for line in done.stdout.splitlines()[1:] if line]
    names = [line for line in lines if line.startswith("FAILED ")]
    assert len(names) > 10
    assert lines[: len(names)] == names


@pytest.mark.parametrize(
    "harness",
    [
        "HangingHarness",
        pytest.param("BlockingHarness", marks=pytest.mark.slow),
        pytest.param("StubbornHarness", marks=pytest.mark.slow),
    ],
)
def test_a_driver_that_hangs_does_not_hang_the_suite(harness: str) -> None:
    quick = {"JOBSVALKEY_TEST_SECONDS": "0.5"}
    done = kit(
        f"{HARNESSES}:{harness}",
        "-k",
        "claim_no_more_than or stateful or metadata_a_value_is_replaced",
        environment=quick,
    )
    assert done.returncode == 1, done.stderr
    failed = {line.split()[2] for line in done.stdout.splitlines() if line.startswith("FAILED")}
    assert failed == {"test_claim_no_more_than_the_limit", "test_stateful"}
    assert "Hanging: " in done.stdout


def test_a_failed_assertion_shows_its_values(tmp_path: Path) -> None:
    # As in the guide: with the driver and the harness comes the suite.
    module = f"""
from jobsvalkey_conformance import DriverConformance
from {HARNESSES} import NeverCancelsHarness

class TestMine(DriverConformance):
    harness_type = NeverCancelsHarness
"""
    (tmp_path / "mine.py").write_text(module)
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = kit("mine:NeverCancelsHarness", "-k", "cancel_a_cancelled_job_is_not", environment=environment)
    assert done.returncode == 1
    assert "assert False is True" in done.stdout


@pytest.mark.slow
def test_what_the_environment_says_to_pytest_is_for_other_runs() -> None:
    for ours in ({"PYTEST_ADDOPTS": "-v --color=yes"}, {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}):
        done = kit(f"{HARNESSES}:TwinHarness", "-k", "cancel_a_cancelled_job_is_not", environment=ours)
        assert done.returncode == 0, done.stdout + done.stderr


BROKEN = """
from jobsvalkey_conformance import DriverHarness

class Harness(DriverHarness): ...

raise RuntimeError("no\\nserver")
"""


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("harness", "is not MODULE:HARNESS"),
        ("nowhere_at_all:Harness", "cannot be imported: ModuleNotFoundError"),
        ("broken:Harness", "broken cannot be imported: RuntimeError: no server"),
        (f"{HARNESSES}:Nothing", "has no Nothing"),
        ("json:loads", "is not a subclass"),
        (f"{HARNESSES}:TwinHarness -k push_nothing_like_it", "no test of the suite matches -k 'push_nothing_like_it'"),
        (f"{HARNESSES}:TwinHarness -k (", "Wrong expression passed to '-k'"),
        (f"{HARNESSES}:TwinHarness --junit .", "must be a filename"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, target: str, message: str) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    command = [sys.executable, "-m", "jobsvalkey_conformance", *target.split()]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("missing", ["pytest", "hypothesis"])
def test_without_the_extra_it_says_how_to_get_it(missing: str) -> None:
    program = f"""
import sys

sys.modules[{missing!r}] = None
from jobsvalkey_conformance.__main__ import main

sys.exit(main(["{HARNESSES}:TwinHarness"]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: no {missing} here: pip install 'jobsvalkey[conformance]'\n"


def run_pytest(directory: Path, test: str, *options: str) -> str:
    (directory / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function"
    )
    (directory / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", str(directory), "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_the_table_in_a_run_of_pytest(tmp_path: Path) -> None:
    test = f"""
from jobsvalkey_conformance import DriverConformance
from {HARNESSES} import BoastfulHarness

class TestMine(DriverConformance):
    harness_type = BoastfulHarness
"""
    output = run_pytest(tmp_path, test, "-k", "cancel_a_job or metadata")
    assert output.count("TestMine (BoastfulHarness)") == 2  # before the tests, and over the table
    assert "conformance suite" in output
    assert ["cancel", "0", "1", "0"] in [line.split() for line in output.splitlines()]


def test_where_the_kit_is_not_used_nothing_is_said_or_imported(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_mine(): ...")
    program = """
import sys
import pytest

print("code", int(pytest.main(["-p", "jobsvalkey", "-p", "jobsvalkey_conformance", "."])))
print("imported", {"jobsvalkey", "valkey", "msgspec", "opentelemetry", "hypothesis"} & set(sys.modules))
"""
    # Both of our plugins by their entry points, and none of those that are installed beside them.
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "code 0" in done.stdout, done.stdout + done.stderr
    assert "conformance suite" not in done.stdout
    assert "imported set()" in done.stdout


@pytest.mark.slow
def test_a_process_can_run_it_for_one_harness_after_the_other() -> None:
    program = f"""
from jobsvalkey_conformance.run import run
for harness in ("TwinHarness", "BoastfulHarness", "TwinHarness"):
    results = run("{HARNESSES}:" + harness, select="cancel_a_job_that", stop=True).results()
    print(len(results), [result.outcome for result in results])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["1 ['passed']", "1 ['failed']", "1 ['passed']"], done.stderr
