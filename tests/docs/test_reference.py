"""Every public name has its place in the reference."""

import re
from pathlib import Path
from types import ModuleType

import jobsvalkey_conformance
import pytest

import jobsvalkey
import jobsvalkey.contract
import jobsvalkey_memory

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_every_public_name_is_in_the_reference() -> None:
    text = "".join(page.read_text() for page in REFERENCE.glob("*.md"))
    named = set(re.findall(r"^\.\. auto\w+:: jobsvalkey\.(\w+)$", text, re.MULTILINE))
    # The contract and the other two packages have pages that list whatever they export.
    assert named - {"contract"} == set(jobsvalkey.__all__) - set(jobsvalkey.contract.__all__)


@pytest.mark.parametrize("package", [jobsvalkey_memory, jobsvalkey_conformance])
def test_what_is_imported_late_is_listed(package: ModuleType) -> None:
    # Its page lists what `dir` finds.
    assert set(dir(package)) >= set(package.__all__)
