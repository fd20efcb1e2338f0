"""Schedulers' keys meet none of the driver's own."""

import re
from pathlib import Path

import pytest

import jobsvalkey.valkey
from jobsvalkey.contract import check_metadata_key
from jobsvalkey.contract.checks import OWN_KEYS

SCRIPTS = Path(jobsvalkey.valkey.__file__).parent / "scripts"


def families() -> set[str]:
    """What the keys of the scripts that end in the name of something else begin with, after `.metadata.`."""
    text = "\n".join(path.read_text() for path in SCRIPTS.rglob("*.lua"))
    return {
        each
        for each in re.findall(r"""['"](?:\.metadata\.)?([\w.]*\.)['"]""", text)
        if each.startswith(("_", "worker"))
    }


def test_each_key_of_the_scripts_that_ends_in_a_name_is_known_to_the_contract() -> None:
    assert {"_worker.", "worker.", "_children."} <= families()
    assert families() == set(OWN_KEYS)
    page = (Path(__file__).parents[3] / "docs/explanation/contract.md").read_text()
    (listed,) = re.findall(r"one of the drivers' own prefixes \(([^)]*)\)", page)
    assert tuple(re.findall(r"`([^`]*)`", listed)) == OWN_KEYS


@pytest.mark.parametrize("beginning", OWN_KEYS)
def test_a_scheduler_cannot_bear_the_key_of_a_queue_that_begins_like_one_of_the_drivers_keys(beginning: str) -> None:
    queue_key = f"{beginning}mail"
    for ending in ("jobSchedulerLock", "jobScheduleLastDate"):
        with pytest.raises(ValueError, match="not a metadata key"):
            check_metadata_key(f"{queue_key}.{ending}", queue_key)
