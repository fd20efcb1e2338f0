"""Every public name has its place in the reference."""

import re
from pathlib import Path

import jobsvalkey
import jobsvalkey.contract

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_every_public_name_is_in_the_reference() -> None:
    text = "".join(page.read_text() for page in REFERENCE.glob("*.md"))
    named = set(re.findall(r"^\.\. auto\w+:: jobsvalkey\.(\w+)$", text, re.MULTILINE))
    # The contract and the other two packages have pages that list whatever they export.
    assert named - {"contract"} == set(jobsvalkey.__all__) - set(jobsvalkey.contract.__all__)
