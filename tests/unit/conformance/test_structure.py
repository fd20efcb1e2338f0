"""The kit's folders: what a file imports is what it needs."""

import subprocess
import sys

import pytest

LIGHT = ["jobsvalkey_conformance.settings", "jobsvalkey_conformance.marks", "jobsvalkey_conformance.changes"]


@pytest.mark.parametrize("module", LIGHT)
def test_a_file_of_constants_brings_no_search_along(module: str) -> None:
    code = f"import {module}, sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = ("hypothesis", "jobsvalkey_conformance.history", "jobsvalkey_conformance.machine", "jobsvalkey_memory")
    assert [name for name in found if name.startswith(heavy)] == []
