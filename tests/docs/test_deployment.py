"""What the page shows for systemd, containers and Kubernetes is valid, and its times fit a worker's."""

import configparser
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import kubernetes_validate
import pytest
import yaml

from jobsvalkey import ProcessorOptions
from jobsvalkey.cli.stopping import time_to_stop
from tests.support.pages import blocks

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "deployment.md"
NEEDED = time_to_stop(ProcessorOptions())
WORKER = ["jobsvalkey", "worker", "mail:service", "--http", "0.0.0.0:8080"]

validate = cast("Callable[..., Any]", kubernetes_validate.validate)


def file(name: str) -> str:
    """The block whose first line names the file."""
    (found,) = [block.text for block in blocks(PAGE.read_text()) if block.text.startswith(f"# {name}\n")]
    return found


def test_the_page_says_how_long_a_worker_takes() -> None:
    assert f"{NEEDED:g} s in all by default" in PAGE.read_text()


def test_the_unit_of_systemd() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.read_string(file("/etc/systemd/system/mail-worker.service"))
    service = unit["Service"]
    assert int(service["TimeoutStopSec"]) > NEEDED
    assert (service["KillSignal"], service["Restart"]) == ("SIGTERM", "always")
    assert service["ExecStart"].endswith("/jobsvalkey worker mail:service --processes 2")


def test_compose(tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text(file("compose.yaml"))
    subprocess.run(["check-jsonschema", "--builtin-schema", "vendor.compose-spec", path], check=True)
    services = yaml.safe_load(path.read_text())["services"]
    assert int(services["worker"]["stop_grace_period"].removesuffix("s")) > NEEDED


def test_the_image_has_an_init_process_and_runs_a_worker() -> None:
    (text,) = [block.text for block in blocks(PAGE.read_text()) if block.language == "dockerfile"]
    lines = dict(line.split(" ", 1) for line in text.splitlines())
    assert json.loads(lines["ENTRYPOINT"]) == ["tini", "--"]
    assert (json.loads(lines["CMD"]), lines["STOPSIGNAL"]) == (WORKER, "SIGTERM")
    assert list(lines).index("USER") < list(lines).index("CMD")


@pytest.mark.parametrize("version", ["1.31", "1.34"])
def test_the_deployment(version: str) -> None:
    manifest = yaml.safe_load(file("worker.yaml"))
    validate(manifest, version, strict=True)
    pod = manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] > NEEDED
    assert container["args"] == WORKER
    paths = {name: container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")}
    assert paths == {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert container["ports"] == [{"name": "probes", "containerPort": 8080}]


def test_scaling_reads_a_metric_that_there_is() -> None:
    manifest = yaml.safe_load(file("scaling.yaml"))
    assert manifest["spec"]["scaleTargetRef"]["name"] == yaml.safe_load(file("worker.yaml"))["metadata"]["name"]
    (trigger,) = manifest["spec"]["triggers"]
    (metric,) = re.findall(r"jobsvalkey_\w+", trigger["metadata"]["query"])
    source = (Path(__file__).parents[2] / "jobsvalkey" / "service" / "probes.py").read_text()
    assert f'"{metric.removeprefix("jobsvalkey_queue_")}"' in source


def test_the_forms_for_issues_are_forms() -> None:
    templates = sorted((Path(__file__).parents[2] / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    forms = {path.stem: yaml.safe_load(path.read_text()) for path in templates}
    assert set(forms) == {"bug", "wish", "config"}
    for name in ("bug", "wish"):
        assert {"name", "description", "body"} <= set(forms[name])
        assert {each["type"] for each in forms[name]["body"]} <= {"markdown", "textarea"}
        assert all("label" in each["attributes"] for each in forms[name]["body"] if each["type"] == "textarea")
